{{/* Whether the passes of a CronJob come often enough: see docs/decisions/0020-passes-renew-early.md. */}}

{{- /*
The numbers that a field of a schedule stands for, with commas between them; nothing if it stands for none. Called with a
list: the field, and the last number that it may name.
*/}}
{{- define "kube-ecr-runner.scheduleField" -}}
{{- $last := index . 1 }}
{{- $found := list }}
{{- range splitList "," (index . 0) }}
{{- if regexMatch "^([*?]|[0-9]{1,2}(-[0-9]{1,2})?)(/[1-9][0-9]{0,2})?$" . }}
{{- $parts := splitList "/" . }}
{{- $bounds := splitList "-" (index $parts 0) }}
{{- $from := index $bounds 0 }}
{{- $to := "" }}
{{- if has $from (list "*" "?") }}
{{- $from = "0" }}{{ $to = toString $last }}
{{- else if gt (len $bounds) 1 }}
{{- $to = index $bounds 1 }}
{{- else }}
{{- $to = ternary (toString $last) $from (gt (len $parts) 1) }}
{{- end }}
{{- $step := 1 }}
{{- if gt (len $parts) 1 }}{{ $step = atoi (index $parts 1) }}{{ end }}
{{- if le (atoi $to) $last }}
{{- range untilStep (atoi $from) (add1 (atoi $to) | int) $step }}{{ $found = append $found . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- join "," $found }}
{{- end }}

{{- /*
Refuses a schedule with which a token may be dead for a while when one pass fails. A pass leaves a token that is younger
than a quarter of its life. So the pass after the next has to come before that token expires, however late and slow it is.
All numbers are minutes.
*/}}
{{- define "kube-ecr-runner.validateSchedule" -}}
{{- $schedule := trim .schedule }}
{{- $form := printf "cronJob.schedule: %q is not understood; write minutes, hours and \"* * *\" in numbers, such as \"17 */3 * * *\"" $schedule }}
{{- $fields := splitList " " (regexReplaceAll "[ \t]+" (ternary "0 * * * *" $schedule (eq $schedule "@hourly")) " ") }}
{{- if ne (len $fields) 5 }}{{ fail $form }}{{ end }}
{{- $minutes := include "kube-ecr-runner.scheduleField" (list (index $fields 0) 59) }}
{{- $hours := include "kube-ecr-runner.scheduleField" (list (index $fields 1) 23) }}
{{- if not (and $minutes $hours) }}{{ fail $form }}{{ end }}
{{- range slice $fields 2 }}
{{- if not (has . (list "*" "?" "*/1")) }}
{{- fail (printf "cronJob.schedule: %q leaves days without a pass, and a token lives 12 hours; write \"* * *\" for days and months, such as \"17 */3 * * *\"" $schedule) }}
{{- end }}
{{- end }}
{{- /* The first and the last pass of each hour do: those between them only help. */}}
{{- $kept := list }}
{{- range splitList "," $minutes }}{{ $kept = append $kept (atoi .) }}{{ end }}
{{- $first := index $kept 0 }}{{ $lastMinute := index $kept 0 }}
{{- range $kept }}{{ $first = min $first . }}{{ $lastMinute = max $lastMinute . }}{{ end }}
{{- $times := list }}
{{- range $hour := until 24 }}
{{- if has (toString $hour) (splitList "," $hours) }}
{{- range uniq (list $first $lastMinute) }}{{ $times = append $times (add (mul $hour 60) . | int) }}{{ end }}
{{- end }}
{{- end }}
{{- $slack := add (div (add (int .startingDeadlineSeconds) (int .activeDeadlineSeconds) 59) 60) (ternary 0 60 (has (default "" .timeZone) (list "" "UTC" "Etc/UTC"))) }}
{{- $count := len $times }}
{{- $worst := 0 }}
{{- range $passed := until $count }}
{{- $issued := index $times $passed }}
{{- /* The passes that may leave the token that was issued then, that one included. */}}
{{- range $more := until $count }}
{{- $at := add $passed $more }}
{{- $left := add (index $times (mod $at $count | int)) (mul 1440 (div $at $count)) }}
{{- if or (eq $more 0) (lt (sub $left $issued) (add 180 $slack)) }}
{{- $next := add $at 2 }}
{{- $renewed := add (index $times (mod $next $count | int)) (mul 1440 (div $next $count)) }}
{{- $worst = max $worst (add (sub $renewed $issued) $slack) }}
{{- end }}
{{- end }}
{{- end }}
{{- /* 11 hours and 36 minutes: tokens of temporary credentials do not live 12 hours. */}}
{{- if gt $worst 696 }}
{{- fail (printf "cronJob.schedule: with %q a token may have to last %d minutes if one pass fails, and it lives 696 (%d of them are for passes that are late or slow: cronJob.startingDeadlineSeconds, cronJob.activeDeadlineSeconds, and an hour at the end of summer time if cronJob.timeZone is not Etc/UTC); let passes come more often, such as \"17 */3 * * *\"" $schedule $worst $slack) }}
{{- end }}
{{- end }}

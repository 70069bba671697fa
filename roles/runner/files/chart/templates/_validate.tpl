{{/* Combinations that the schema cannot refuse: each message names the values and what to do. */}}
{{- define "kube-ecr-runner.validate" -}}
{{- $values := .Values }}
{{- if eq $values.mode "cronjob" }}
{{- include "kube-ecr-runner.validateSchedule" $values.cronJob }}
{{- if gt (int $values.replicas) 1 }}
{{- fail "replicas: has to be 1 with mode=cronjob, where passes follow one another; set mode=deployment for several" }}
{{- end }}
{{- range list "serviceMonitor" "podMonitor" "prometheusRule" "dashboard" "podDisruptionBudget" "networkPolicy" }}
{{- if index $values . "enabled" }}
{{- fail (printf "%s.enabled: does nothing with mode=cronjob, where no process stays; set it to false, or mode=deployment" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $values.metrics }}
{{- if and .secure (eq $values.mode "cronjob") }}
{{- fail "metrics.secure: does nothing with mode=cronjob, where no process stays; set it to false, or mode=deployment" }}
{{- end }}
{{- if and .authorization.enabled (not .secure) }}
{{- fail "metrics.authorization.enabled: needs metrics.secure=true, since a token must not be shown over plain HTTP; set it, or leave this out" }}
{{- end }}
{{- if and .authorization.credentials (not .authorization.enabled) }}
{{- fail "metrics.authorization.credentials: counts only with metrics.authorization.enabled=true" }}
{{- end }}
{{- if and (or .certificate.secretName .certificate.ca) (not .secure) }}
{{- fail "metrics.certificate: counts only with metrics.secure=true" }}
{{- end }}
{{- if and .certificate.ca (not .certificate.secretName) }}
{{- fail "metrics.certificate.ca: is of no use without metrics.certificate.secretName, as no CA knows the certificate that the runner makes" }}
{{- end }}
{{- if and $values.podMonitor.enabled .authorization.enabled (not .authorization.credentials) }}
{{- fail "podMonitor.enabled: a PodMonitor cannot name the token of Prometheus itself; set metrics.authorization.credentials, or take serviceMonitor.enabled" }}
{{- end }}
{{- end }}
{{- if and $values.runner.recoverPods (not $values.runner.watchPods) }}
{{- fail "runner.recoverPods: needs runner.watchPods=true, since only pods that are seen are evicted; set it, or leave this out" }}
{{- end }}
{{- if and $values.runner.recoverPods (eq $values.mode "cronjob") }}
{{- fail "runner.recoverPods: does nothing with mode=cronjob, where nobody looks at pods; set it to false, or mode=deployment" }}
{{- end }}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled, podMonitor.enabled: with both, all is scraped twice; set one of them to false" }}
{{- end }}
{{- if and $values.serviceMonitor.enabled (not $values.service.enabled) }}
{{- fail "serviceMonitor.enabled: needs service.enabled=true; set it, or take podMonitor.enabled" }}
{{- end }}
{{- with $values.podDisruptionBudget }}
{{- if and (ne (toString .minAvailable) "") (ne (toString .maxUnavailable) "") }}
{{- fail "podDisruptionBudget.minAvailable, podDisruptionBudget.maxUnavailable: Kubernetes takes one of them; set the other to \"\"" }}
{{- end }}
{{- if and .enabled (lt (int $values.replicas) 2) }}
{{- fail "podDisruptionBudget.enabled: with one pod no node could be drained, or it protects nothing; set replicas to 2 or more" }}
{{- end }}
{{- end }}
{{- if and (not $values.serviceAccount.create) (not $values.serviceAccount.name) }}
{{- fail "serviceAccount.name: is empty; name the service account that is there, or set serviceAccount.create=true" }}
{{- end }}
{{- if and $values.watches.files (not $values.watches.entries) }}
{{- fail "watches.files: is mounted beside a watches.yaml of yours only; set watches.entries" }}
{{- end }}
{{- if hasKey $values.watches.files "watches.yaml" }}
{{- fail "watches.files: has a watches.yaml; put what stands in it into watches.entries" }}
{{- end }}
{{- if and $values.watchNamespaces $values.watches.entries }}
{{- $kinds := list }}
{{- range $values.watches.entries }}{{ $kinds = append $kinds .kind }}{{ end }}
{{- if not (has "AWSECRImagePullSecret" $kinds) }}
{{- fail "watches.entries: has no AWSECRImagePullSecret, but watchNamespaces picks just those; add an entry for it" }}
{{- end }}
{{- end }}
{{- if and $values.rbac.keysSecretNames (not $values.rbac.secretNames) }}
{{- fail "rbac.keysSecretNames: limits nothing without rbac.secretNames, as every Secret may be read; set that too, or leave it out" }}
{{- end }}
{{- if and $values.rbac.serviceAccountTokens.names (not $values.rbac.serviceAccountTokens.enabled) }}
{{- fail "rbac.serviceAccountTokens.names: counts only with rbac.serviceAccountTokens.enabled=true" }}
{{- end }}
{{- with $values.image }}
{{- /* The grammar of references: https://github.com/distribution/reference/blob/main/reference.go */}}
{{- $host := "((localhost|[-a-zA-Z0-9]+([.][-a-zA-Z0-9]+)+|[[][a-fA-F0-9:]+[]])(:[0-9]+)?|[-a-zA-Z0-9]+:[0-9]+)" }}
{{- $part := "[a-z0-9]+(([.]|_{1,2}|-+)[a-z0-9]+)*" }}
{{- if not (regexMatch (printf "^((%s|%s)(/%s)*)?$" $host $part $part) .registry) }}
{{- fail (printf "image.registry: %q is not of the form HOST, HOST:PORT or HOST/PATH; give one such as registry.example.com:5000, with no scheme and no slash at the end" .registry) }}
{{- end }}
{{- $name := include "kube-ecr-runner.imageName" $ }}
{{- if not (regexMatch (printf "^(%s/)?%s(/%s)*$" $host $part $part) $name) }}
{{- fail (printf "image.repository: %q makes %q, which can be no image; give one such as kube-ecr/runner, in lower case, with no scheme, put a tag into image.tag and a digest into image.digest, and a registry either here or into image.registry" .repository $name) }}
{{- end }}
{{- $digest := "sha256:[0-9a-f]{64}" }}
{{- if not (regexMatch (printf "^([a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127}(@%s)?)?$" $digest) .tag) }}
{{- fail (printf "image.tag: %q can be no tag; give one such as 1.0.0, and put a digest into image.digest" .tag) }}
{{- end }}
{{- if not (regexMatch (printf "^(%s)?$" $digest) .digest) }}
{{- fail (printf "image.digest: %q is not of the form sha256: and 64 hexadecimal digits" .digest) }}
{{- end }}
{{- end }}
{{- /* kubelet hands these two to the sandbox of the pod as they are, and takes no user from the image there. */}}
{{- with $values.podSecurityContext }}
{{- if and (not (kindIs "invalid" .runAsGroup)) (kindIs "invalid" .runAsUser) }}
{{- fail "podSecurityContext.runAsGroup: no pod starts with a group and no user (FailedCreatePodSandBox); set podSecurityContext.runAsUser too, such as 65532 for both" }}
{{- end }}
{{- end }}
{{- end }}

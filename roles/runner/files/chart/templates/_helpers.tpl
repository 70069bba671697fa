{{/* Puts the default in the place of each value that is null, or is not there: helm drops a default that is overridden
     with null, and does so in some ways through a chart above this one and not in others. Every template begins with it,
     since helm promises no order of them. */}}
{{- define "kube-ecr-runner.defaults" -}}
{{- include "kube-ecr-runner.fill" (list .Values (.Files.Get "files/defaults.json" | fromJson)) }}
{{- end }}

{{/* Not `merge`, which takes false, 0 and "" for values that are not there. Takes a list: what is given, the defaults. */}}
{{- define "kube-ecr-runner.fill" -}}
{{- $given := index . 0 }}
{{- range $name, $default := index . 1 }}
{{- $value := index $given $name }}
{{- if kindIs "invalid" $value }}
{{- $_ := set $given $name $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) }}
{{- include "kube-ecr-runner.fill" (list $value $default) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "kube-ecr-runner.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Cluster-wide objects of two releases of one name in two namespaces must not be the same. */}}
{{- define "kube-ecr-runner.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "kube-ecr-runner.fullname" .) }}
{{- end }}

{{- define "kube-ecr-runner.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "kube-ecr-runner.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Before Kubernetes 1.35 no Service can have a name that begins with a digit. */}}
{{- define "kube-ecr-runner.serviceName" -}}
{{- regexReplaceAll "^[0-9]" (include "kube-ecr-runner.fullname" .) "runner-${0}" }}
{{- end }}

{{/* The port of the metrics: its name, and the number. */}}
{{- define "kube-ecr-runner.metricsPort" -}}
{{- ternary "https" "http" .Values.metrics.secure }}
{{- end }}

{{- define "kube-ecr-runner.metricsPortNumber" -}}
{{- ternary 8443 8080 .Values.metrics.secure }}
{{- end }}

{{/* The ClusterRole that Prometheus needs. */}}
{{- define "kube-ecr-runner.metricsReader" -}}
{{- printf "%s-metrics-reader" (include "kube-ecr-runner.clusterName" .) }}
{{- end }}

{{- define "kube-ecr-runner.certificatePath" -}}
/etc/kube-ecr-runner-metrics
{{- end }}

{{- define "kube-ecr-runner.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" | toYaml }}
app.kubernetes.io/instance: {{ toYaml .Release.Name }}
app.kubernetes.io/component: runner
{{- end }}

{{- define "kube-ecr-runner.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kube-ecr
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, namespace, labels and annotations of an object. Takes a list: the root, the name, more labels, more
     annotations, and a namespace, "" for a cluster-wide object; without it that of the release. */}}
{{- define "kube-ecr-runner.metadata" -}}
{{- $root := index . 0 -}}
{{- $namespace := $root.Release.Namespace -}}
{{- if gt (len .) 4 }}{{ $namespace = index . 4 }}{{ end -}}
name: {{ index . 1 | toYaml }}
{{- with $namespace }}
namespace: {{ toYaml . }}
{{- end }}
{{- $own := merge (include "kube-ecr-runner.selectorLabels" $root | fromYaml) (include "kube-ecr-runner.commonLabels" $root | fromYaml) }}
labels:
  {{- mergeOverwrite (dict) $own (index . 2 | default dict) | toYaml | nindent 2 }}
{{- with mergeOverwrite (dict) $root.Values.commonAnnotations (index . 3 | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Registry and repository. A repository may begin with its registry, which goes before the default of image.registry. */}}
{{- define "kube-ecr-runner.imageName" -}}
{{- $default := (.Files.Get "files/defaults.json" | fromJson).image.registry }}
{{- with .Values.image }}
{{- $isWhole := and (eq .registry $default) (regexMatch "^([^/]*[.:][^/]*|localhost)/" .repository) }}
{{- if and .registry (not $isWhole) }}{{ .registry }}/{{ end }}{{ .repository }}
{{- end }}
{{- end }}

{{- define "kube-ecr-runner.image" -}}
{{- include "kube-ecr-runner.imageName" . }}
{{- with .Values.image }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "kube-ecr-runner.watchesPath" -}}
/etc/kube-ecr-runner/watches.yaml
{{- end }}

{{- define "kube-ecr-runner.vaultPath" -}}
/etc/kube-ecr-runner-vault/password
{{- end }}

{{/* Options that are the same in a deployment, a pass and a test. */}}
{{- define "kube-ecr-runner.args" -}}
- --watches={{ include "kube-ecr-runner.watchesPath" . }}
{{- with .Values.watchNamespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- with .Values.runner }}
{{- with .selector }}
- {{ printf "--selector=%s" . | quote }}
{{- end }}
- --batch-window={{ toYaml .batchWindow }}
- --batch-size={{ int .batchSize }}
- --forks={{ int .forks }}
- --run-timeout={{ int .runTimeout }}
- --watch-silence={{ toYaml .watchSilence }}
{{- end }}
{{- end }}

{{- define "kube-ecr-runner.env" -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
- name: KUBE_ECR_LOG_LEVEL
  value: {{ .Values.runner.logLevel }}
- name: KUBE_ECR_LOG_FORMAT
  value: {{ .Values.runner.logFormat }}
{{- with int .Values.runner.ansibleVerbosity }}
- name: KUBE_ECR_ANSIBLE_VERBOSITY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.runner.ansibleArgs }}
- name: KUBE_ECR_ANSIBLE_ARGS
  value: {{ . | quote }}
{{- end }}
{{- if .Values.watches.vaultPasswordSecret.name }}
- name: ANSIBLE_VAULT_PASSWORD_FILE
  value: {{ include "kube-ecr-runner.vaultPath" . }}
{{- end }}
{{- with .Values.runner.allowedAwsIdentities }}
- name: KUBE_ECR_ALLOWED_AWS_IDENTITIES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.runner.awsEndpointUrl }}
- name: KUBE_ECR_AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- if eq .Values.mode "deployment" }}
- name: KUBE_ECR_STAND_BY
  value: {{ .Values.runner.standBy | quote }}
- name: KUBE_ECR_WATCH_PODS
  value: {{ .Values.runner.watchPods | quote }}
- name: KUBE_ECR_RECOVER_PODS
  value: {{ .Values.runner.recoverPods | quote }}
{{- end }}
{{- with .Values.proxy }}
{{- if or .httpProxy .httpsProxy }}
{{- with .httpProxy }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
- name: NO_PROXY
  value: {{ prepend (compact (list .noProxy)) "$(KUBERNETES_SERVICE_HOST)" | join "," | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The container. Takes a list: the root, more arguments, and whether it stays: then it is asked for probes, and knows
     which pod it is in. That is an argument, since a second runner that somebody starts in the container, with its
     variables, must not take itself for the first. */}}
{{- define "kube-ecr-runner.container" -}}
{{- $root := index . 0 -}}
{{- $values := $root.Values -}}
name: runner
image: {{ include "kube-ecr-runner.image" $root | toYaml }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  {{- include "kube-ecr-runner.args" $root | nindent 2 }}
  {{- range index . 1 }}
  - {{ . }}
  {{- end }}
  {{- if index . 2 }}
  - --pod=$(RUNNER_POD_NAMESPACE)/$(RUNNER_POD_NAME)/$(RUNNER_POD_UID)
  {{- with $values.metrics }}
  {{- if .secure }}
  - --metrics-secure
  {{- if .certificate.secretName }}
  - --metrics-cert-path={{ include "kube-ecr-runner.certificatePath" $root }}
  {{- end }}
  {{- if .authorization.enabled }}
  - --metrics-require-rbac
  {{- end }}
  {{- end }}
  {{- end }}
  {{- end }}
env:
  {{- if index . 2 }}
  {{- range $field := list "namespace" "name" "uid" }}
  - name: RUNNER_POD_{{ upper $field }}
    valueFrom:
      fieldRef:
        fieldPath: metadata.{{ $field }}
  {{- end }}
  {{- /* Always: while a Deployment is rolled out, there are two pods. */}}
  - name: KUBE_ECR_LEADER_ELECT
    value: "true"
  {{- /* Where the pod is, and not where the release is: what is rendered may be moved, as by kustomize. */}}
  - name: KUBE_ECR_LEASE
    value: $(RUNNER_POD_NAMESPACE)/{{ include "kube-ecr-runner.fullname" $root }}
  {{- end }}
  {{- include "kube-ecr-runner.env" $root | nindent 2 }}
{{- with $values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if index . 2 }}
ports:
  - name: http
    containerPort: 8080
    protocol: TCP
  {{- if $values.metrics.secure }}
  - name: {{ include "kube-ecr-runner.metricsPort" $root }}
    containerPort: {{ include "kube-ecr-runner.metricsPortNumber" $root }}
    protocol: TCP
  {{- end }}
startupProbe:
  {{- merge (dict "httpGet" (dict "path" "/healthz" "port" "http")) $values.startupProbe | toYaml | nindent 2 }}
livenessProbe:
  {{- merge (dict "httpGet" (dict "path" "/healthz" "port" "http")) $values.livenessProbe | toYaml | nindent 2 }}
readinessProbe:
  {{- merge (dict "httpGet" (dict "path" "/readyz" "port" "http")) $values.readinessProbe | toYaml | nindent 2 }}
{{- end }}
resources:
  {{- include "kube-ecr-runner.resources" $root | nindent 2 }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if $values.watches.entries }}
  - name: watches
    mountPath: {{ dir (include "kube-ecr-runner.watchesPath" $root) }}
    readOnly: true
  {{- end }}
  {{- if and (index . 2) $values.metrics.certificate.secretName }}
  - name: metrics-certificate
    mountPath: {{ include "kube-ecr-runner.certificatePath" $root }}
    readOnly: true
  {{- end }}
  {{- if $values.watches.vaultPasswordSecret.name }}
  - name: vault
    mountPath: {{ dir (include "kube-ecr-runner.vaultPath" $root) }}
    readOnly: true
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What the container may use, without the amounts that are empty. */}}
{{- define "kube-ecr-runner.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- range $amounts := pick $resources "requests" "limits" }}
{{- range $name, $amount := $amounts }}
{{- if or (kindIs "invalid" $amount) (eq (toString $amount) "") }}{{ $_ := unset $amounts $name }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* What a pod is beside its containers. */}}
{{- define "kube-ecr-runner.podSpec" -}}
{{- $values := .Values -}}
serviceAccountName: {{ include "kube-ecr-runner.serviceAccountName" . | toYaml }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- range $field := list "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" "affinity" "dnsPolicy" "dnsConfig" "hostAliases" }}
{{- with index $values $field }}
{{ dict $field . | toYaml }}
{{- end }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "kube-ecr-runner.selectorLabels" . | fromYaml)) }}
  {{- range $values.topologySpreadConstraints }}
  - {{- merge (dict) . $selector | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
terminationGracePeriodSeconds: {{ int $values.terminationGracePeriodSeconds }}
volumes:
  - name: tmp
    emptyDir:
      medium: Memory
      sizeLimit: {{ toYaml $values.tmpSizeLimit }}
  {{- if $values.watches.entries }}
  - name: watches
    configMap:
      name: {{ printf "%s-watches" (include "kube-ecr-runner.fullname" .) | toYaml }}
  {{- end }}
  {{- with $values.metrics.certificate.secretName }}
  - name: metrics-certificate
    secret:
      secretName: {{ toYaml . }}
      {{- /* Not the CA, which the runner does not need, nor what a user has put beside it. */}}
      items:
        - key: tls.crt
          path: tls.crt
        - key: tls.key
          path: tls.key
  {{- end }}
  {{- with $values.watches.vaultPasswordSecret }}
  {{- if .name }}
  - name: vault
    secret:
      secretName: {{ toYaml .name }}
      items:
        - key: {{ toYaml .key }}
          path: {{ base (include "kube-ecr-runner.vaultPath" $) }}
  {{- end }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "kube-ecr-runner.podMetadata" -}}
labels:
  {{- $selector := include "kube-ecr-runner.selectorLabels" . | fromYaml }}
  {{- mergeOverwrite (include "kube-ecr-runner.commonLabels" . | fromYaml) .Values.podLabels $selector | toYaml | nindent 2 }}
{{- $annotations := mergeOverwrite (dict) .Values.commonAnnotations .Values.podAnnotations }}
{{- if .Values.watches.entries }}
{{- $_ := set $annotations "checksum/watches" (include "kube-ecr-runner.watchesData" . | sha256sum) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kube-ecr-runner.watchesData" -}}
{{- merge (dict "watches.yaml" (toYaml .Values.watches.entries)) .Values.watches.files | toYaml }}
{{- end }}

{{/* What picks the metrics of this release; all if neither monitor tells how Prometheus names the job. */}}
{{- define "kube-ecr-runner.metricsOfRelease" -}}
{{- if .Values.serviceMonitor.enabled -}}
{job="{{ include "kube-ecr-runner.serviceName" . }}"}
{{- else if .Values.podMonitor.enabled -}}
{job="{{ .Release.Namespace }}/{{ include "kube-ecr-runner.fullname" . }}"}
{{- else -}}
{}
{{- end }}
{{- end }}

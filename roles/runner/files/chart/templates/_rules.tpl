{{/*
The rules of the runner. docs/operations.md, "Rights", says what each is for, and a test holds the two together.
A pass (mode: cronjob) lists, and watches nothing.
*/}}
{{/* What it may do in each namespace: everywhere by a ClusterRole, or in those of watchNamespaces by a Role. */}}
{{- define "kube-ecr-runner.rules" -}}
{{- $rbac := .Values.rbac }}
{{- $watch := eq .Values.mode "deployment" }}
{{- $read := ternary (list "get" "list" "watch") (list "get" "list") $watch }}
{{- $kinds := list "awsecrimagepullsecrets" }}
{{- if not .Values.watchNamespaces }}
{{- $kinds = append $kinds "clusterawsecrimagepullsecrets" }}
{{- if $rbac.legacyKind }}
{{- $kinds = append $kinds "awsecrcredentials" }}
{{- end }}
{{- end }}
- apiGroups: [aws.zakariaamine.com]
  resources: {{ toJson $kinds }}
  verbs: {{ append $read "patch" | toJson }}
- apiGroups: [aws.zakariaamine.com]
  resources:
    {{- range $kinds }}
    - {{ . }}/status
    {{- end }}
  verbs: [patch]
{{- if $rbac.events }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: {{ ternary $read (list "get") (and $rbac.namespaces (not .Values.watchNamespaces)) | toJson }}
- apiGroups: [""]
  resources: [secrets]
  {{- with $rbac.secretNames }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: {{ concat $read (list "create" "patch" "delete") | toJson }}
{{- if and $rbac.secretNames $rbac.keysSecretNames }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson $rbac.keysSecretNames }}
  verbs: {{ toJson $read }}
{{- end }}
{{- if not .Values.watchNamespaces }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingadmissionpolicies]
  verbs: [list]
{{- end }}
{{- if $rbac.serviceAccounts }}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: {{ append $read "patch" | toJson }}
{{- end }}
{{- $tokens := $rbac.serviceAccountTokens }}
{{- if and $tokens.enabled (or $tokens.names (not $rbac.secretNames)) }}
{{- if not $rbac.serviceAccounts }}
- apiGroups: [""]
  resources: [serviceaccounts]
  {{- with $tokens.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: {{ toJson $read }}
{{- end }}
- apiGroups: [""]
  resources: [serviceaccounts/token]
  {{- with $tokens.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [create]
{{- end }}
{{- if and $watch .Values.runner.watchPods }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- if .Values.runner.recoverPods }}
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
{{- end }}
{{- end }}
{{- with $rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end }}

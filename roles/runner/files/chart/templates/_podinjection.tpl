{{/*
Which namespaces a resource serves is decided twice: for the runner in plugins/module_utils/_contract/targets.py, and
for the API server here. tests/integration/crds/test_pod_injection.py has one table of cases for both.
*/}}

{{/* Not empty if the policies are to be installed. */}}
{{- define "kube-ecr-runner.podInjection" -}}
{{- $enabled := toString .Values.podInjection.enabled }}
{{- $isThere := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- if eq $enabled "auto" }}
{{- if and $isThere (not .Values.watchNamespaces) }}true{{ end }}
{{- else if eq $enabled "true" }}
{{- if not $isThere }}
{{- fail "podInjection.enabled: this API server has no MutatingAdmissionPolicy in admissionregistration.k8s.io/v1, which comes with Kubernetes 1.36; set it to auto or false, or update the cluster first (helm template knows no cluster: add --api-versions admissionregistration.k8s.io/v1/MutatingAdmissionPolicy)" }}
{{- end }}true
{{- end }}
{{- end }}

{{/* Whether a field of a resource, a list of names and globs, has the namespace of the pod: in CEL. A regular expression
     is compiled at each pod, so the text before the first wildcard is compared first. */}}
{{- define "kube-ecr-runner.podInjectionLists" -}}
has(params.spec.{{ . }}) && (request.namespace in params.spec.{{ . }}
|| params.spec.{{ . }}.exists(glob, request.namespace.startsWith(glob.split("*")[0].split("?")[0])
&& request.namespace.matches("^" + glob.replace("*", ".*").replace("?", ".") + "$")))
{{- end }}

{{/* The images of a pod, of its volumes too: in CEL. */}}
{{- define "kube-ecr-runner.podInjectionImages" -}}
(object.spec.containers.filter(each, has(each.image)).map(each, each.image)
+ (has(object.spec.initContainers)
? object.spec.initContainers.filter(each, has(each.image)).map(each, each.image) : [])
+ (has(object.spec.volumes)
? object.spec.volumes.filter(each, has(each.image) && has(each.image.reference)).map(each, each.image.reference)
: []))
{{- end }}

{{/* The policy for one kind, and its binding. Takes a list: the root, the kind, and what its name ends in. */}}
{{- define "kube-ecr-runner.podInjectionPolicy" }}
{{- $root := index . 0 }}
{{- $kind := index . 1 }}
{{- $isCluster := hasPrefix "Cluster" $kind }}
{{- $images := regexReplaceAll "\\s+" (include "kube-ecr-runner.podInjectionImages" "") " " }}
{{- $isNamed := regexReplaceAll "\\s+" (include "kube-ecr-runner.podInjectionLists" "namespaces") " " }}
{{- $isExcluded := regexReplaceAll "\\s+" (include "kube-ecr-runner.podInjectionLists" "excludeNamespaces") " " }}
{{- /* The names of these kinds take no colon. */}}
{{- $name := printf "%s.%s.%s" $root.Release.Namespace (include "kube-ecr-runner.fullname" $root) (index . 2) }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  {{- include "kube-ecr-runner.metadata" (list $root $name (dict "app.kubernetes.io/component" "pod-injection") nil "") | nindent 2 }}
spec:
  # No pod is ever refused because of it: one that cannot be judged is created as it is.
  failurePolicy: Ignore
  # What another admission plugin does to a pod afterwards may give it an image of ECR.
  reinvocationPolicy: IfNeeded
  paramKind:
    apiVersion: aws.zakariaamine.com/v1alpha2
    kind: {{ $kind }}
  matchConstraints:
    namespaceSelector:
      matchExpressions:
        - key: aws.zakariaamine.com/inject
          operator: NotIn
          values: [disabled]
        {{- with $root.Values.podInjection.excludeNamespaces }}
        - key: kubernetes.io/metadata.name
          operator: NotIn
          values: {{ toJson . }}
        {{- end }}
        {{- with $root.Values.watchNamespaces }}
        - key: kubernetes.io/metadata.name
          operator: In
          values: {{ toJson . }}
        {{- end }}
    objectSelector:
      matchExpressions:
        - key: aws.zakariaamine.com/inject
          operator: NotIn
          values: [disabled]
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE]
        resources: [pods]
  {{- if $isCluster }}
  variables:
    - name: labels
      expression: >-
        has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}
    # Asked for only where there is a selector: without one, the match condition has looked at the names.
    - name: isSelected
      expression: >-
        (!has(params.spec.namespaceSelector.matchLabels)
        || params.spec.namespaceSelector.matchLabels.all(key, key in variables.labels
        && variables.labels[key] == params.spec.namespaceSelector.matchLabels[key]))
        && (!has(params.spec.namespaceSelector.matchExpressions)
        || params.spec.namespaceSelector.matchExpressions.all(condition,
        condition.operator == "In"
        ? condition.key in variables.labels && variables.labels[condition.key] in condition.values
        : condition.operator == "NotIn"
        ? !(condition.key in variables.labels) || !(variables.labels[condition.key] in condition.values)
        : (condition.key in variables.labels) == (condition.operator == "Exists")))
  {{- end }}
  # One condition, cheap parts first: the API server works out each of several, whether one before it is false or not.
  # Neither the labels of the namespace nor variables are known here.
  matchConditions:
    - name: the-pod-lacks-the-pull-secret
      expression: >-
        has(params.spec.podInjection) && params.spec.podInjection in ["Ecr", "Always"]
        && !has(params.metadata.deletionTimestamp)
        {{- if $isCluster }}
        && (has(params.spec.namespaceSelector) || {{ $isNamed }})
        && !({{ $isExcluded }})
        {{- end }}
        && !(has(object.metadata.annotations) && "kubernetes.io/config.mirror" in object.metadata.annotations)
        && !(has(object.spec.imagePullSecrets)
        && object.spec.imagePullSecrets.exists(each, has(each.name) && each.name == params.spec.secretName))
        && (params.spec.podInjection == "Always"
        || {{ $images }}.exists(image,
        has(params.spec.registries) && params.spec.registries.size() > 0
        ? params.spec.registries.exists(host, image.startsWith(host + "/"))
        : image.matches("^[0-9]{12}[.]dkr[.]ecr[.][a-z0-9-]+[.][a-z0-9.-]+/")
        && image.split(".")[3] == params.spec.awsAccess.region))
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          {{- if $isCluster }}
          has(params.spec.namespaceSelector) && !variables.isSelected && !({{ $isNamed }}) ? [] :
          {{- end }}
          has(object.spec.imagePullSecrets)
          ? [JSONPatch{op: "add", path: "/spec/imagePullSecrets/-",
          value: Object.spec.imagePullSecrets{name: params.spec.secretName}}]
          : [JSONPatch{op: "add", path: "/spec/imagePullSecrets",
          value: [Object.spec.imagePullSecrets{name: params.spec.secretName}]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  {{- include "kube-ecr-runner.metadata" (list $root $name (dict "app.kubernetes.io/component" "pod-injection") nil "") | nindent 2 }}
spec:
  policyName: {{ toYaml $name }}
  # Each resource in turn; of the namespaced kind, those in the namespace of the pod.
  paramRef:
    selector: {}
    parameterNotFoundAction: Allow
{{- end }}

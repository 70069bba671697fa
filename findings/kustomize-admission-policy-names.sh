#!/usr/bin/env bash
# kustomize: namePrefix renames a MutatingAdmissionPolicy, and leaves the old name in its binding.
#
# For a ValidatingAdmissionPolicyBinding, spec.policyName follows. For the mutating kinds it does not, so the binding names
# a policy that is not there: the API server takes both, and nothing is mutated, without a word. A `nameReference` of one's
# own mends it. And `namespace` is written into all four kinds, which have none; the API server drops it.
#
# kustomize 5.8.1, from the Go module proxy.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
GOBIN="$work/bin" go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
mkdir "$work/overlay"
for kind in Validating Mutating; do
    cat <<END
---
apiVersion: admissionregistration.k8s.io/v1
kind: ${kind}AdmissionPolicy
metadata: {name: example}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ${kind}AdmissionPolicyBinding
metadata: {name: example}
spec: {policyName: example}
END
done >"$work/overlay/policies.yaml"
cat >"$work/overlay/kustomization.yaml" <<'END'
namespace: platform
namePrefix: acme-
resources: [policies.yaml]
END
"$work/bin/kustomize" build "$work/overlay" | grep -v apiVersion | tee "$work/found"
diff - "$work/found" <<'END'
kind: MutatingAdmissionPolicy
metadata:
  name: acme-example
  namespace: platform
---
kind: MutatingAdmissionPolicyBinding
metadata:
  name: acme-example
  namespace: platform
spec:
  policyName: example
---
kind: ValidatingAdmissionPolicy
metadata:
  name: acme-example
  namespace: platform
---
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: acme-example
  namespace: platform
spec:
  policyName: acme-example
END

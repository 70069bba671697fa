#!/usr/bin/env bash
# helm: without a cluster, .Capabilities.APIVersions.Has knows no kind at all, not even apps/v1/Deployment.
#
# `helm template`, `helm lint` and a dry run on the client claim to render for the newest Kubernetes (KubeVersion), and
# group/version is found. group/version/Kind, which a cluster has, is not. So what a chart renders only where a kind
# exists is missing from the output, without a word, until --api-versions names each kind; --kube-version does not help.
#
# helm 4.3.1, from the Go module proxy.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
GOBIN="$work/bin" go install helm.sh/helm/v4/cmd/helm@v4.3.1
mkdir -p "$work/chart/templates"
echo '{"apiVersion": "v2", "name": "example", "version": "1.0.0"}' >"$work/chart/Chart.yaml"
cat >"$work/chart/templates/told.yaml" <<'END'
version: {{ .Capabilities.KubeVersion.Minor | int | ge 29 | ternary "29 or older" "newer than 29" }}
groupVersion: {{ .Capabilities.APIVersions.Has "apps/v1" }}
kind: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }}
END
render() {
    echo "helm template $*"
    HOME="$work" KUBECONFIG="$work/none" "$work/bin/helm" template example "$work/chart" "$@" | tail -n +3
}
{
    render
    render --kube-version v1.30.0
    render --api-versions apps/v1/Deployment
} | tee "$work/found"
diff - "$work/found" <<'END'
helm template 
version: newer than 29
groupVersion: true
kind: false
helm template --kube-version v1.30.0
version: newer than 29
groupVersion: true
kind: false
helm template --api-versions apps/v1/Deployment
version: newer than 29
groupVersion: true
kind: true
END

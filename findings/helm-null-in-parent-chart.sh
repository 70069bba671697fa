#!/usr/bin/env bash
# helm: null deletes a default of a subchart where it is given with -f or --set, and does nothing where the same null
# stands in the values.yaml of the chart above.
#
# So an umbrella chart cannot take a default of its part away, while who installs it can; the template of the part sees
# no key in one case and the default in the other. helm 3.17.1 and 4.1.4 delete it in both. And a null for a key that has
# no default goes away in the second case, and stays a null in the first, where a schema refuses it as no string.
#
# helm 4.3.1, from the Go module proxy.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
GOBIN="$work/bin" go install helm.sh/helm/v4/cmd/helm@v4.3.1
part="$work/umbrella/charts/part"
mkdir -p "$part/templates"
echo '{"apiVersion": "v2", "name": "umbrella", "version": "1.0.0"}' >"$work/umbrella/Chart.yaml"
echo '{"apiVersion": "v2", "name": "part", "version": "1.0.0"}' >"$part/Chart.yaml"
echo '{"image": {"registry": "ghcr.io", "tag": "1"}}' >"$part/values.yaml"
echo 'seen: {{ toJson .Values.image }}' >"$part/templates/seen.yaml"
echo '{"part": {"image": {"registry": null, "digest": null}}}' >"$work/nulls.yaml"
render() {
    HOME="$work" KUBECONFIG="$work/none" "$work/bin/helm" template example "$work/umbrella" "$@" | tail -n +3
}
{
    echo "given with -f"
    render -f "$work/nulls.yaml"
    echo "in values.yaml of the chart above"
    cp "$work/nulls.yaml" "$work/umbrella/values.yaml"
    render
} | tee "$work/found"
diff - "$work/found" <<'END'
given with -f
seen: {"digest":null,"tag":"1"}
in values.yaml of the chart above
seen: {"registry":"ghcr.io","tag":"1"}
END

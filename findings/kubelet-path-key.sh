#!/usr/bin/env bash
# kubelet: the path in a key of a docker config is a prefix of the text, not of path components.
#
# A key HOST/team/ap gives its login to the image HOST/team/app, though no repository is called team/ap. So a key for one
# repository counts for every repository whose name begins with its name.
#
# kubelet 1.37.2 (k8s.io/kubernetes/pkg/credentialprovider), from the Go module proxy.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=1.37.2

cat >main.go <<'END'
package main

import (
	"fmt"

	"k8s.io/kubernetes/pkg/credentialprovider"
)

func main() {
	for _, key := range []string{"registry.example.com/team", "registry.example.com/team/app", "registry.example.com/team/ap", "registry.example.com/other"} {
		keyring := &credentialprovider.BasicDockerKeyring{}
		keyring.Add(nil, credentialprovider.DockerConfig{key: {Username: "user", Password: "password"}})
		_, found := keyring.Lookup("registry.example.com/team/app")
		fmt.Println(key, found)
	}
}
END
go mod init finding 2>/dev/null
go mod edit -require="k8s.io/kubernetes@v$version"
for staging in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap \
    code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming csi-translation-lib dynamic-resource-allocation \
    endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet \
    metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin sample-controller streaming; do
    go mod edit -replace="k8s.io/$staging=k8s.io/$staging@v0.${version#1.}"
done
GOFLAGS=-mod=mod go run . >found
cat found
diff - found <<'END'
registry.example.com/team true
registry.example.com/team/app true
registry.example.com/team/ap true
registry.example.com/other false
END
echo "as described"

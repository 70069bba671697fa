// helm is the real helm, of the version that go.mod says. Its Kubernetes modules have the versions of those of the
// control plane, so that the two share what the Go build cache holds.
package main

import (
	"os"

	"helm.sh/helm/v4/pkg/cmd"
)

func main() {
	helm, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err != nil || helm.Execute() != nil {
		os.Exit(1)
	}
}

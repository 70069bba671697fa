// cosign is the real cosign, of the version that go.mod says.
package main

import (
	"os"

	"github.com/sigstore/cosign/v3/cmd/cosign/cli"
)

func main() {
	if cli.New().Execute() != nil {
		os.Exit(1)
	}
}

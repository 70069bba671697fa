// registry is one binary with both ends of a container registry that the tests run for real: the first
// argument says which one (serve, crane). Under the name crane (a symbolic link), it is crane alone.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/cmd/crane/cmd"
	"github.com/google/go-containerregistry/pkg/logs"
)

const usage = "usage: registry serve|crane [flag...]"

func main() {
	if os.Getenv("EXIT_WITH_STDIN") != "" {
		go exitWithStdin()
	}
	if filepath.Base(os.Args[0]) != "crane" {
		if len(os.Args) < 2 {
			fail(usage)
		}
		os.Args = os.Args[1:]
	}
	switch filepath.Base(os.Args[0]) {
	case "serve":
		if err := serve(os.Args[1:]); err != nil {
			fail(err)
		}
	case "crane":
		logs.Warn.SetOutput(os.Stderr)
		if err := cmd.Root.Execute(); err != nil {
			os.Exit(1)
		}
	default:
		fail(usage)
	}
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(2)
}

// exitWithStdin ends the process when the one that started it is gone, however that one died: the
// kernel closes the other end of the pipe.
func exitWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// node is one binary with what turns a control plane into a cluster that runs pods: the first argument says which part
// (kubelet, kube-scheduler). It is a module of its own, since few targets need it, and it takes minutes to build.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"k8s.io/component-base/cli"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if os.Getenv("EXIT_WITH_STDIN") != "" {
		go exitWithStdin()
	}
	if len(os.Args) < 2 {
		fail()
	}
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "kubelet":
		os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background())))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	default:
		fail()
	}
}

func fail() {
	fmt.Fprintln(os.Stderr, "usage: node kubelet|kube-scheduler [flag...]")
	os.Exit(2)
}

// exitWithStdin ends the process when the one that started it is gone, however that one died: the
// kernel closes the other end of the pipe.
func exitWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

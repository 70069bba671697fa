// consumers asks the libraries that read pull secrets what they make of one, and answers in JSON. The
// first argument says what is asked:
//
//	pull     stdin: {"image": ..., "secret": a Secret}. Answer: for each library, why it cannot pull, or an empty text.
//	         The docker config of the Secret is in DOCKER_CONFIG, too. The registry is reached by HTTPS_PROXY and
//	         SSL_CERT_FILE, as by any client.
//	refuse   stdin: a list of docker config JSON texts. Answer: for each, why kubelet refuses it, or an empty text.
//	versions Answer: for each library, its version.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

const usage = "usage: consumers pull|refuse|versions"

func main() {
	if len(os.Args) != 2 {
		fail(usage)
	}
	var answer any
	var err error
	switch os.Args[1] {
	case "pull":
		answer, err = pull()
	case "refuse":
		answer, err = refuse()
	case "versions":
		answer, err = versions()
	default:
		fail(usage)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fail(err)
	}
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(2)
}

// refuse does with each text what kubelet does with the pull secrets of a pod before it pulls.
func refuse() ([]string, error) {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		return nil, err
	}
	found := make([]string, len(texts))
	for number, text := range texts {
		if _, err := keyring(pullSecret([]byte(text))); err != nil {
			found[number] = err.Error()
		}
	}
	return found, nil
}

func keyring(secret corev1.Secret) (credentialprovider.DockerKeyring, error) {
	return secrets.MakeDockerKeyring([]corev1.Secret{secret}, &credentialprovider.BasicDockerKeyring{})
}

func pullSecret(config []byte) corev1.Secret {
	return corev1.Secret{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: config},
	}
}

func versions() (map[string]string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, fmt.Errorf("the binary does not say what it was built from")
	}
	found := map[string]string{}
	for _, module := range info.Deps {
		for _, consumer := range consumers {
			if consumer.module == module.Path {
				found[consumer.name] = module.Version
			}
		}
	}
	return found, nil
}

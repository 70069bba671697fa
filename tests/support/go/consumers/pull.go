package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	kubernetesauthn "github.com/google/go-containerregistry/pkg/authn/kubernetes"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.podman.io/image/v5/docker/reference"
	podmanconfig "go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
	corev1 "k8s.io/api/core/v1"
	registry "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// request is what there is to pull, and a Secret to pull it with.
type request struct {
	Image  string        `json:"image"`
	Secret corev1.Secret `json:"secret"`
}

// consumer is a library that finds a login in a pull secret. Where it brings no client of its own, the
// login that it found goes to that of go-containerregistry.
type consumer struct {
	name   string
	module string
	pull   func(asked request, reference name.Reference, directory string) error
}

var consumers = []consumer{
	{"kubelet", "k8s.io/kubernetes", byKubelet},
	{"go-containerregistry for Kubernetes", "github.com/google/go-containerregistry/pkg/authn/kubernetes", byPullSecrets},
	{"go-containerregistry", "github.com/google/go-containerregistry", byDefaultKeychain},
	{"docker/cli", "github.com/docker/cli", byDockerConfig},
	{"oras-go", "oras.land/oras-go/v2", byOras},
	{"containers/image", "go.podman.io/image/v5", byContainersImage},
}

func pull() (map[string]string, error) {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return nil, err
	}
	reference, err := name.ParseReference(asked.Image)
	if err != nil {
		return nil, err
	}
	// Its config.json is the docker config of the Secret, as in a pod that mounts it.
	directory := os.Getenv("DOCKER_CONFIG")
	found := map[string]string{}
	for _, consumer := range consumers {
		found[consumer.name] = ""
		if err := consumer.pull(asked, reference, directory); err != nil {
			found[consumer.name] = err.Error()
		}
	}
	return found, nil
}

// byKubelet tries all logins that kubelet offers, in its order.
func byKubelet(asked request, reference name.Reference, _ string) error {
	found, err := keyring(asked.Secret)
	if err != nil {
		return err
	}
	logins, _ := found.Lookup(reference.Context().Name())
	err = fmt.Errorf("it finds no login")
	for _, login := range logins {
		if err = fetch(reference, login.Username, login.Password); err == nil {
			return nil
		}
	}
	return err
}

func byPullSecrets(asked request, reference name.Reference, _ string) error {
	keychain, err := kubernetesauthn.NewFromPullSecrets(context.Background(), []corev1.Secret{asked.Secret})
	if err != nil {
		return err
	}
	return fetchWith(reference, remote.WithAuthFromKeychain(keychain))
}

func byDefaultKeychain(_ request, reference name.Reference, _ string) error {
	return fetchWith(reference, remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

func byDockerConfig(_ request, reference name.Reference, directory string) error {
	file, err := config.Load(directory)
	if err != nil {
		return err
	}
	login, err := file.GetAuthConfig(reference.Context().RegistryStr())
	if err != nil {
		return err
	}
	return fetch(reference, login.Username, login.Password)
}

func byContainersImage(_ request, image name.Reference, directory string) error {
	named, err := reference.ParseNormalizedNamed(image.Name())
	if err != nil {
		return err
	}
	context := &types.SystemContext{AuthFilePath: filepath.Join(directory, "config.json")}
	login, err := podmanconfig.GetCredentialsForRef(context, named)
	if err != nil {
		return err
	}
	return fetch(image, login.Username, login.Password)
}

// byOras pulls with the client of oras-go, too.
func byOras(_ request, reference name.Reference, directory string) error {
	store, err := credentials.NewStore(filepath.Join(directory, "config.json"), credentials.StoreOptions{})
	if err != nil {
		return err
	}
	repository, err := registry.NewRepository(reference.Context().Name())
	if err != nil {
		return err
	}
	repository.Client = &auth.Client{Credential: credentials.Credential(store)}
	_, content, err := repository.FetchReference(context.Background(), reference.Identifier())
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(io.Discard, content)
	return err
}

func fetch(reference name.Reference, username, password string) error {
	return fetchWith(reference, remote.WithAuth(&authn.Basic{Username: username, Password: password}))
}

// fetchWith pulls all of an image.
func fetchWith(reference name.Reference, option remote.Option) error {
	image, err := remote.Image(reference, option)
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		content, err := layer.Compressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, content)
		content.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

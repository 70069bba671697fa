package main

import (
	"context"
	"crypto/rand"
	"flag"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

// serve runs the registries of the given hosts on a TLS port, and the proxy that leads clients to it.
// The password of the user "push" is taken from PUSH_PASSWORD, so that it is in no process list.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "", "address of the registries (TLS)")
	proxy := flags.String("proxy", "", "address of the proxy")
	hosts := flags.String("hosts", "", "host names of the registries, separated by commas")
	certificate := flags.String("certificate", "", "file with the certificate of those hosts")
	key := flags.String("key", "", "file with the certificate's key")
	awsURL := flags.String("aws-url", "", "the AWS endpoint, which knows the tokens")
	_ = flags.Parse(args)
	logrus.SetLevel(logrus.WarnLevel)

	names := strings.Split(*hosts, ",")
	registries := registriesOf(names)
	guarded := newDoor(*awsURL, os.Getenv("PUSH_PASSWORD"), registries)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- http.ServeTLS(listener, guarded, *certificate, *key) }()
	go func() { failed <- http.ListenAndServe(*proxy, connectProxy{target: *listen, hosts: names}) }()
	return <-failed
}

// registriesOf returns what serves a registry of its own under each host name, as every AWS account has one.
func registriesOf(hosts []string) http.Handler {
	apps := map[string]http.Handler{}
	for _, host := range hosts {
		apps[host] = handlers.NewApp(context.Background(), inMemory())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app, found := apps[r.Host]
		if !found {
			refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "there is no registry "+r.Host)
			return
		}
		app.ServeHTTP(w, r)
	})
}

func inMemory() *configuration.Configuration {
	config := &configuration.Configuration{}
	config.HTTP.Secret = rand.Text()
	config.Storage = configuration.Storage{
		"inmemory":    configuration.Parameters{},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}
	return config
}

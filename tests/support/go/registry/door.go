package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// door lets requests with a good login through to a registry, and refuses the others as ECR does.
//
// It stands in front of the registry and is no access controller inside it, because such a one can say
// nothing but 401, while ECR answers 403 to a token that is dead.
type door struct {
	client       *http.Client
	verifyURL    string
	pushPassword string
	registry     http.Handler
}

func newDoor(awsURL, pushPassword string, registry http.Handler) *door {
	// A transport of its own: http.DefaultTransport would use the proxies of the environment.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	return &door{client, awsURL + "/_control/verify", pushPassword, registry}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	username, password, given := r.BasicAuth()
	if !given {
		challenge(w, r)
		return
	}
	if username == "push" && subtle.ConstantTimeCompare([]byte(password), []byte(d.pushPassword)) == 1 {
		d.registry.ServeHTTP(w, r)
		return
	}
	verdict, err := d.ask(r.Host, username, password)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", err.Error())
	case verdict == "valid":
		d.registry.ServeHTTP(w, r)
	case verdict == "expired":
		message := "Your authorization token has expired. Reauthenticate and try again."
		refuse(w, http.StatusForbidden, "DENIED", message)
	default:
		challenge(w, r)
	}
}

// ask returns what the AWS endpoint thinks of a login.
func (d *door) ask(host, username, password string) (string, error) {
	login, err := json.Marshal(map[string]string{"host": host, "username": username, "password": password})
	if err != nil {
		return "", err
	}
	response, err := d.client.Post(d.verifyURL, "application/json", bytes.NewReader(login))
	if err != nil {
		return "", fmt.Errorf("the AWS endpoint cannot be asked: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the AWS endpoint cannot be asked: %s", response.Status)
	}
	var answer struct{ Verdict string }
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer.Verdict, err
}

func challenge(w http.ResponseWriter, r *http.Request) {
	// As ECR sends it. docker 20.10 takes nothing else for a registry.
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("Www-Authenticate", fmt.Sprintf(`Basic realm="https://%s/",service="ecr.amazonaws.com"`, r.Host))
	http.Error(w, "Not Authorized", http.StatusUnauthorized)
}

// refuse answers an error in the form of the registry protocol.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

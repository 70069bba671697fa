package main

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// connectProxy leads clients that ask for one of the hosts, under its true name, to the target's address.
// It leads nowhere else, so a client that tries to reach the real world fails.
type connectProxy struct {
	target string
	hosts  []string
}

func (p connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, isTLS := strings.CutSuffix(r.Host, ":443")
	if r.Method != http.MethodConnect || !isTLS || !slices.Contains(p.hosts, host) {
		http.Error(w, "this proxy leads to the registries of the tests only", http.StatusForbidden)
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(server, buffered); done <- struct{}{} }()
	go func() { _, _ = io.Copy(client, server); done <- struct{}{} }()
	<-done
}

package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"time"
)

// serve starts git's own HTTP back end for the repositories below root and returns
// its address. Each request is told to trace.
func serve(root string, trace func(r *http.Request, took time.Duration)) (address string, stop func(), err error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	logger := log.New(os.Stderr, "git http-backend: ", 0)
	handler := func(w http.ResponseWriter, r *http.Request) {
		if err := knowLength(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		defer r.Body.Close()
		backend := cgi.Handler{
			Path: git, Args: []string{"http-backend"}, Dir: root, Stderr: io.Discard, Logger: logger,
			Env: []string{
				"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=bench", "HOME=" + root,
				"GIT_CONFIG_NOSYSTEM=1", "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"),
			},
		}
		start := time.Now()
		backend.ServeHTTP(w, r)
		trace(r, time.Since(start))
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), ErrorLog: logger}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// knowLength spools a chunked body: CGI has no way to pass one on.
func knowLength(r *http.Request) error {
	if r.ContentLength >= 0 {
		return nil
	}
	spool, err := os.CreateTemp("", "bench-body-")
	if err != nil {
		return err
	}
	if err := os.Remove(spool.Name()); err != nil {
		return err
	}
	if r.ContentLength, err = io.Copy(spool, r.Body); err != nil {
		return err
	}
	r.Body, r.TransferEncoding = spool, nil
	_, err = spool.Seek(0, io.SeekStart)
	return err
}

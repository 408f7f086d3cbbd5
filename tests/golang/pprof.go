// A service with net/http/pprof on a Unix socket: what the console's profiles are compared with.
package main

import (
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
)

func main() {
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, nil))
}

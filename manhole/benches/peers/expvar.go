// A service with 20 variables and Go's expvar on a Unix socket: the peer of benches/http.rs.
//
// /debug/vars is what expvar serves, memstats and cmdline included; /own leaves those two out, for
// a comparison of like with like.
package main

import (
	"expvar"
	"fmt"
	"net"
	"net/http"
	"os"
)

func own(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, "{\n")
	first := true
	expvar.Do(func(kv expvar.KeyValue) {
		if kv.Key == "memstats" || kv.Key == "cmdline" {
			return
		}
		if !first {
			fmt.Fprintf(w, ",\n")
		}
		first = false
		fmt.Fprintf(w, "%q: %s", kv.Key, kv.Value)
	})
	fmt.Fprintf(w, "\n}\n")
}

func main() {
	for i := 0; i < 20; i++ {
		expvar.NewInt(fmt.Sprintf("service.counter.%02d", i)).Set(int64(1000000 + i))
	}
	http.HandleFunc("/own", own)
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println(os.Args[1])
	panic(http.Serve(listener, nil))
}

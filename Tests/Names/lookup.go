// For a runtime that resolves names by itself, without any libc: looks a name up, connects, and says what came of it, as lookup.c does. Without a port
// it says in which order the addresses come.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	if len(os.Args) == 2 {
		addresses, err := net.DefaultResolver.LookupIPAddr(context.Background(), os.Args[1])
		if err != nil {
			os.Exit(1)
		}
		for _, address := range addresses {
			fmt.Println(address.String())
		}
		return
	}
	if len(os.Args) != 3 {
		os.Exit(2)
	}
	addresses, err := net.DefaultResolver.LookupIP(context.Background(), "ip4", os.Args[1])
	if err != nil {
		fmt.Println("unknown")
		os.Exit(1)
	}
	peer, err := net.DialTimeout("tcp4", net.JoinHostPort(os.Args[1], os.Args[2]), 5*time.Second)
	if err != nil {
		fmt.Println(addresses[0], err)
		os.Exit(1)
	}
	fmt.Println(addresses[0], "connected")
	peer.Close()
}

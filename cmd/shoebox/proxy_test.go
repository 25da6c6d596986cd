package main

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// proxy passes connections on, and breaks them.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool // refuses connections
	// loseCommits is how many answers to a COMMIT are still to be lost.
	loseCommits, lost int
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, open: make(map[net.Conn]bool)}
	t.Cleanup(func() { listener.Close(); p.cut() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			go p.serve(conn)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("unix", p.target)
	p.mu.Lock()
	refused := err != nil || p.closed
	if !refused {
		p.open[client] = true
	}
	p.mu.Unlock()
	if refused {
		client.Close()
		if err == nil {
			server.Close()
		}
		return
	}
	committing := make(chan struct{}, 1)
	go func() {
		p.copy(server, client, func(data []byte) bool {
			if bytes.Contains(bytes.ToLower(data), []byte("commit")) && p.loses() {
				committing <- struct{}{}
			}
			return true
		})
		server.Close()
	}()
	p.copy(client, server, func([]byte) bool {
		select {
		case <-committing: // the answer to it
			return false
		default:
			return true
		}
	})
	client.Close()
	server.Close()
	p.mu.Lock()
	delete(p.open, client)
	p.mu.Unlock()
}

// copy passes data on for as long as look agrees.
func (p *proxy) copy(to, from net.Conn, look func([]byte) bool) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if n > 0 && look(buffer[:n]) {
			_, err = to.Write(buffer[:n])
		} else if n > 0 {
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) loses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loseCommits == 0 {
		return false
	}
	p.loseCommits--
	p.lost++
	return true
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
}

// refuse makes the server one that cannot be reached, or ends that.
func (p *proxy) refuse(refuses bool) {
	p.mu.Lock()
	p.closed = refuses
	p.mu.Unlock()
	if refuses {
		p.cut()
	}
}

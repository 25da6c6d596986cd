package onnx

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// saOnStack and sigIgnore are the kernel's SA_ONSTACK and SIG_IGN.
const (
	saOnStack = 0x08000000
	sigIgnore = 1
)

func TestHandlersThatALibraryReplacedAreGosAgain(t *testing.T) {
	notified := make(chan os.Signal, 1)
	signal.Notify(notified, syscall.SIGUSR2)
	defer signal.Stop(notified)
	before, err := exchange(int(syscall.SIGUSR2), nil)
	if err != nil || before.flags&saOnStack == 0 {
		t.Fatalf("Go's handler is %+v, %v", before, err)
	}
	for name, spoil := range map[string]func(*sigaction){
		"another stack": func(a *sigaction) { a.flags &^= saOnStack },
		"another handler": func(a *sigaction) {
			*a = sigaction{handler: sigIgnore}
		},
	} {
		restore := keepHandlers()
		foreign := before
		spoil(&foreign)
		if _, err := exchange(int(syscall.SIGUSR2), &foreign); err != nil {
			t.Fatal(err)
		}
		if now, _ := exchange(int(syscall.SIGUSR2), nil); now == before {
			t.Fatalf("%s: nothing was replaced", name)
		}
		restore()
		if now, _ := exchange(int(syscall.SIGUSR2), nil); now != before {
			t.Errorf("%s: the handler is %+v, was %+v", name, now, before)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		select {
		case <-notified:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the signal is not noticed", name)
		}
	}
}

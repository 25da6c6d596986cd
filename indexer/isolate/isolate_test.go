package isolate

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const beChild = "be-the-child"

// The child of these tests does as it is told.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == beChild {
		answered := 0
		Serve(func(request []byte) []byte {
			answered++
			return []byte(obey(string(request), answered))
		})
	}
	os.Exit(m.Run())
}

func obey(request string, answered int) string {
	switch request {
	case "how many":
		return strconv.Itoa(answered)
	case "which process":
		return strconv.Itoa(os.Getpid())
	case "overflow the stack":
		debug.SetMaxStack(16 << 20)
		var deeper func(n int) int
		deeper = func(n int) int { return deeper(n+1) + 1 }
		deeper(0)
	case "write to memory that is read-only":
		page, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			panic(err)
		}
		page[0] = 1
	case "abort":
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		time.Sleep(time.Minute)
	case "ignore a hint to end":
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			syscall.Kill(os.Getpid(), s)
		}
		time.Sleep(100 * time.Millisecond)
		return "still here"
	case "eat memory":
		for all := []byte{1}; ; {
			all = append(all, all...)
		}
	case "never answer":
		for n := 0; ; n++ {
			answered += n & 1
		}
	case "die at the second":
		if answered > 1 {
			panic("second")
		}
		return "fine"
	}
	return request
}

func newProcess(t *testing.T) *Process {
	t.Helper()
	p := &Process{Args: []string{beChild}, Memory: 200 << 20, Time: time.Minute}
	t.Cleanup(p.Close)
	return p
}

func must(t *testing.T, p *Process, request string) string {
	t.Helper()
	answer, err := p.Do(t.Context(), []byte(request))
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return string(answer)
}

func TestAChildAnswersOneRequestAfterAnother(t *testing.T) {
	p := newProcess(t)
	large := strings.Repeat("x", 5<<20)
	for _, request := range []string{"", "hello", large} {
		if answer := must(t, p, request); answer != request {
			t.Errorf("%d bytes came back as %d", len(request), len(answer))
		}
	}
	if n := must(t, p, "how many"); n != "4" {
		t.Errorf("the child has had %s requests, want 4", n)
	}
}

func TestWhateverARequestDoesToTheChildIsItsOwnFault(t *testing.T) {
	for request, want := range map[string]string{
		"overflow the stack":                "goroutine stack exceeds",
		"write to memory that is read-only": "SIGSEGV",
		"abort":                             "SIGABRT",
		"eat memory":                        "more than 200 MB",
		"never answer":                      "longer than 1s",
	} {
		t.Run(request, func(t *testing.T) {
			p := newProcess(t)
			if request == "never answer" {
				p.Time = time.Second
			}
			_, err := p.Do(t.Context(), []byte(request))
			var fault *Fault
			if !errors.As(err, &fault) || !strings.Contains(fault.Reason+fault.Output, want) {
				t.Fatalf("the error is %#v, want a fault with %q", err, want)
			}
			if answer := must(t, p, "next"); answer != "next" {
				t.Errorf("then the answer is %q", answer)
			}
		})
	}
}

func TestWhatAnEarlierRequestLeftBehindIsNoFaultOfTheNext(t *testing.T) {
	p := newProcess(t)
	must(t, p, "hello")
	if answer := must(t, p, "die at the second"); answer != "fine" {
		t.Errorf("the answer is %q", answer)
	}
}

func TestAChildThatIsKilledFromOutsideAccusesNobody(t *testing.T) {
	p := newProcess(t)
	pid, err := strconv.Atoi(must(t, p, "which process"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { syscall.Kill(pid, syscall.SIGKILL) })
	if _, err := p.Do(t.Context(), []byte("never answer")); !errors.Is(err, errKilled) {
		t.Errorf("the error is %v, want %v", err, errKilled)
	}
	if answer := must(t, p, "next"); answer != "next" {
		t.Errorf("then the answer is %q", answer)
	}
}

func TestAHintToEndDoesNotReachTheChild(t *testing.T) {
	if answer := must(t, newProcess(t), "ignore a hint to end"); answer != "still here" {
		t.Errorf("the answer is %q", answer)
	}
}

func TestAnEndOfTheContextEndsTheChild(t *testing.T) {
	p := newProcess(t)
	pid, err := strconv.Atoi(must(t, p, "which process"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Do(ctx, []byte("never answer")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child is still there: %v", err)
	}
}

func TestAChildThatCannotStartIsNoFault(t *testing.T) {
	p := &Process{Args: []string{"-test.run=^$"}, Memory: 1 << 30, Time: time.Minute}
	_, err := p.Do(t.Context(), nil)
	var fault *Fault
	if err == nil || errors.As(err, &fault) {
		t.Errorf("the error is %v", err)
	}
}

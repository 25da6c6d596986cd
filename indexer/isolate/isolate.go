// Package isolate does one piece of work at a time in a child process, so that
// whatever the work does to its process (a crash in a C library, all the memory
// there is, a loop without end) costs nothing but the work.
//
// The child is this program, started with arguments that make it call Serve. It
// answers one request after another, and is started again when it has died. The
// package knows nothing of what the work is.
package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// startLimit is how long a child may take to be ready: it loads a model,
	// perhaps from a slow disk.
	startLimit = time.Minute
	// lookEvery is how often the child's memory is looked at. At a few
	// gigabytes a second, which is as fast as memory can be taken, it outgrows
	// its limit by less than a hundred megabytes in that time.
	lookEvery = 10 * time.Millisecond
)

// Process is a child process, which is started when it is first needed. Its
// methods may be called by many goroutines; requests wait for each other.
type Process struct {
	// Args make this program call Serve, without the program's name.
	Args []string
	// Memory is how many bytes a request may take beyond what the child holds
	// before its first one.
	Memory int64
	// Time is how long a request may take.
	Time time.Duration

	once  sync.Once
	turn  *semaphore.Weighted
	child *child // nil: none is running
}

// Fault is what a request did to the child: nothing else can have been the
// reason, because the child had had no request before.
type Fault struct {
	// Reason says for people what happened, "it crashed (segmentation fault)".
	Reason string
	// Output is the beginning of what the child wrote on its standard error.
	Output string
}

func (f *Fault) Error() string { return f.Reason }

// errKilled means that somebody killed the child: the request is not to blame.
var errKilled = errors.New("the process that tries files alone was killed from outside")

// Do has the child answer a request. The error is a *Fault when the request
// crashed a fresh child or took it beyond its limits. When that happens to a
// child that has answered others, they may have left something behind, and the
// request gets a fresh one.
func (p *Process) Do(ctx context.Context, request []byte) ([]byte, error) {
	p.once.Do(func() { p.turn = semaphore.NewWeighted(1) })
	if err := p.turn.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer p.turn.Release(1)
	for {
		fresh := p.child == nil
		if fresh {
			child, err := start(ctx, p.Args)
			if err != nil {
				return nil, fmt.Errorf("start a process to try files alone: %w", err)
			}
			p.child = child
		}
		answer, err := p.child.do(ctx, request, p.Memory, p.Time)
		if err == nil {
			return answer, nil
		}
		p.child.kill()
		p.child = nil
		if fault := (*Fault)(nil); fresh || !errors.As(err, &fault) {
			return nil, err
		}
	}
}

// Close ends the child, if there is one. The Process can be used again.
func (p *Process) Close() {
	p.once.Do(func() { p.turn = semaphore.NewWeighted(1) })
	_ = p.turn.Acquire(context.Background(), 1) // never fails
	defer p.turn.Release(1)
	if p.child != nil {
		p.child.kill()
		p.child = nil
	}
}

// child is a running child. It has been ready.
type child struct {
	cmd      *exec.Cmd
	requests *os.File
	answers  *os.File
	output   *head
	baseline int64 // bytes of memory when it was ready
}

func start(ctx context.Context, args []string) (*child, error) {
	theirRequests, requests, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirRequests.Close(), requests.Close())
	}
	c := &child{requests: requests, answers: answers, output: &head{}}
	// Not by its name: an upgrade may have replaced the file.
	c.cmd = exec.Command("/proc/self/exe", args...)
	c.cmd.Args[0] = os.Args[0]
	c.cmd.Stdin, c.cmd.Stderr = theirRequests, c.output
	c.cmd.ExtraFiles = []*os.File{theirAnswers} // file 3 there
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		// Ctrl-C in a terminal goes to a whole group: the parent decides.
		Setpgid:   true,
		Pdeathsig: syscall.SIGKILL,
	}
	err = c.cmd.Start()
	theirRequests.Close()
	theirAnswers.Close()
	if err != nil {
		requests.Close()
		answers.Close()
		return nil, err
	}
	if err := c.awaitReady(ctx); err != nil {
		c.kill()
		return nil, err
	}
	c.baseline = residentMemory(c.cmd.Process.Pid)
	c.output.reset()
	return c, nil
}

// awaitReady reads the empty answer with which a child begins.
func (c *child) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ready := make(chan error, 1)
	go func() {
		_, err := readFrame(c.answers)
		ready <- err
	}()
	select {
	case err := <-ready:
		if err != nil {
			return fmt.Errorf("it ended before it was ready: %s", c.output)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it was not ready in time: %w", ctx.Err())
	}
}

// do sends a request and watches over the child until the answer is there. After
// an error the child must be killed.
func (c *child) do(ctx context.Context, request []byte, memory int64, limit time.Duration) ([]byte, error) {
	c.output.reset()
	outOfMemory := outOfMemoryKills()
	type result struct {
		answer []byte
		err    error
	}
	answered := make(chan result, 1)
	go func() { // ends when the child does
		err := writeFrame(c.requests, request)
		if err != nil {
			answered <- result{nil, err}
			return
		}
		answer, err := readFrame(c.answers)
		answered <- result{answer, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case r := <-answered:
			if r.err != nil {
				return nil, c.explainDeath(outOfMemory)
			}
			return r.answer, nil
		case <-ticker.C:
			if residentMemory(c.cmd.Process.Pid)-c.baseline > memory {
				return nil, &Fault{Reason: fmt.Sprintf("it took more than %d MB of memory", memory>>20)}
			}
		case <-timer.C:
			return nil, &Fault{Reason: fmt.Sprintf("it took longer than %s", limit)}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// explainDeath waits for a child that closed its end and says what it died of.
func (c *child) explainDeath(outOfMemoryBefore int64) error {
	_ = c.cmd.Wait() // what it says is in ProcessState
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	fault := &Fault{Output: c.output.String()}
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
		// The kernel does that when memory is short, and to this child first.
		if outOfMemoryKills() == outOfMemoryBefore {
			return errKilled
		}
		fault.Reason = "the system ran out of memory"
	case ok && status.Signaled():
		fault.Reason = fmt.Sprintf("it crashed (%s)", status.Signal())
	default:
		fault.Reason = fmt.Sprintf("it crashed (%s)", firstLine(fault.Output, c.cmd.ProcessState.String()))
	}
	return fault
}

// kill ends the child and waits until it has gone.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill() // it may have ended by itself
		_ = c.cmd.Wait()
	}
	c.requests.Close()
	c.answers.Close()
}

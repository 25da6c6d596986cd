package heif

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"golang.org/x/sys/unix"
)

// ErrMemory says that a decoder wanted more than its sandbox may hold.
var ErrMemory = errors.New("the decoder wants more memory than it may have")

// errDecode says that a decoder refused a picture. It does not say why.
var errDecode = errors.New("the decoder cannot read it")

// program is a decoder, translated to machine code when it is first used; that
// takes half a second.
type program struct {
	packed []byte
	once   sync.Once
	engine wazero.Runtime
	code   wazero.CompiledModule
	err    error
}

func (p *program) load() error {
	p.once.Do(func() { p.err = p.compile() })
	return p.err
}

func (p *program) compile() error {
	unpacked, err := gzip.NewReader(bytes.NewReader(p.packed))
	if err != nil {
		return err
	}
	module, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	ctx := context.Background()
	// Without WithCloseOnContextDone: it makes decoding four times slower.
	// Whoever decodes bounds the time from outside.
	p.engine = wazero.NewRuntime(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.engine); err != nil {
		return err
	}
	p.code, err = p.engine.CompileModule(ctx, module)
	return err
}

// sandbox is a running program with its memory. It serves one picture and is
// closed: what a picture left behind cannot touch the next.
type sandbox struct {
	memory *memory
	module api.Module
	err    error // the first one; calls after it do nothing
}

// open starts a program that may take limit bytes. Nothing of the system is
// given to it: no files, no environment, no clock, no output.
func (p *program) open(limit int64) (*sandbox, error) {
	if err := p.load(); err != nil {
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	memory, err := newMemory(limit)
	if err != nil {
		return nil, err
	}
	ctx := experimental.WithMemoryAllocator(context.Background(), memory)
	module, err := p.engine.InstantiateModule(ctx, p.code, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		memory.release()
		return nil, fmt.Errorf("start the decoder: %w", memory.explain(err))
	}
	return &sandbox{memory: memory, module: module}, nil
}

func (s *sandbox) close() {
	_ = s.module.Close(context.Background()) // nothing of it is left to fail
	s.memory.release()
}

// call calls a function of the program.
func (s *sandbox) call(name string, args ...uint64) uint32 {
	if s.err != nil {
		return 0
	}
	results, err := s.module.ExportedFunction(name).Call(context.Background(), args...)
	if s.err = s.memory.explain(err); s.err != nil || len(results) == 0 {
		return 0
	}
	return uint32(results[0])
}

// allocate reserves memory inside.
func (s *sandbox) allocate(size int) uint64 {
	at := s.call("malloc", uint64(size))
	if s.err == nil && at == 0 {
		s.err = ErrMemory
	}
	return uint64(at)
}

// bytes is a view of memory inside, which ends with the sandbox.
func (s *sandbox) bytes(at uint64, size int) []byte {
	if s.err != nil {
		return nil
	}
	b, ok := s.module.Memory().Read(uint32(at), uint32(size))
	if !ok {
		s.err = errDecode
	}
	return b
}

// numbers reads 32-bit numbers inside.
func (s *sandbox) numbers(at uint64, n int) []uint32 {
	numbers := make([]uint32, n)
	for i, b := 0, s.bytes(at, 4*n); len(b) >= 4; i, b = i+1, b[4:] {
		numbers[i] = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	return numbers
}

// memory is what a program runs in. The system provides it page by page as it
// is touched, outside of Go's heap, where a picture's hundreds of megabytes
// would be copied as they grow and stay until the next collection.
type memory struct {
	pages   []byte
	refused bool
}

func newMemory(limit int64) (*memory, error) {
	const page, most = 1 << 16, 1 << 32 // bytes, of WebAssembly
	size := min((limit+page-1)/page*page, most)
	pages, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MB for the decoder: %w", size>>20, err)
	}
	return &memory{pages: pages}, nil
}

// Allocate implements wazero's MemoryAllocator.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate gives a program more memory, until its limit. There it ends: the
// decoders were built without exceptions and would go on with rubbish. wazero
// turns the panic into an error of the call.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.pages)) {
		m.refused = true
		panic(ErrMemory)
	}
	return m.pages[:size:size]
}

// Free is called when the program ends; release does it, which also follows
// when no program ever began.
func (m *memory) Free() {}

func (m *memory) release() { _ = unix.Munmap(m.pages) } // fails for wrong addresses only

func (m *memory) explain(err error) error {
	if m.refused {
		return ErrMemory
	}
	return err
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/search/web"
	"shoebox/storage/private"
	"shoebox/thumbs"
)

// usualAddress is where `serve` listens: this machine only.
const usualAddress = "127.0.0.1:8012"

// webFlags are where pages and the HTTP API are, and for whom.
type webFlags struct {
	listen   string
	hosts    []string
	readOnly bool
}

func (f *webFlags) register(cmd *cobra.Command, listen, usage string) {
	cmd.Flags().StringVar(&f.listen, "listen", listen, usage)
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "a `NAME` by which browsers reach the pages, as through a reverse proxy; makes a token necessary")
	cmd.Flags().BoolVar(&f.readOnly, "read-only", false, "show the library and let nobody change anything")
}

func newServe(s *settings) *cobra.Command {
	var model modelFlags
	var flags webFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Show the library in a browser, with the HTTP API",
		Long: `serve shows the library at http://` + usualAddress + `/ and answers the HTTP API there
(/api/openapi.json describes it). At any other address than this machine's own it
asks for a token, which the first start prints once.

Search works without the database, too. What is new in the database is taken over
into search as long as serve runs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			model.limitHeap()
			return serve(cmd, s, model, flags)
		},
	}
	flags.register(cmd, usualAddress, "the `ADDRESS` to listen at; another than of this machine's own makes a token necessary")
	model.register(cmd)
	return cmd
}

func serve(cmd *cobra.Command, s *settings, model modelFlags, flags webFlags) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	listener, err := net.Listen("tcp", flags.listen)
	if err != nil {
		return err
	}
	connection := &connection{settings: s, progress: cmd.ErrOrStderr()}
	// Whoever makes it first decides whether the database's user gets there.
	if err := private.MakeDataDir(s.data); err != nil {
		return errors.Join(err, listener.Close())
	}
	index, err := holdIndex(s, connection)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	var beside sync.WaitGroup
	beside.Go(func() { connection.keepOpen(ctx) })
	beside.Go(func() { index.follow(ctx) })
	site := site{
		settings: s, model: model, flags: flags, store: connection, index: index.current,
		thumbs: thumbs.In(s.data), memory: picture.NewBudget(int64(model.memory)),
		working: func() bool { return false },
	}
	defer site.thumbs.Close()
	err = site.serve(ctx, listener, cmd.OutOrStdout(), cmd.ErrOrStderr())
	stop()
	beside.Wait()
	return errors.Join(err, index.current().Close(), connection.Close())
}

// site is what is served, by `serve` or beside `watch`.
type site struct {
	settings *settings
	model    modelFlags
	flags    webFlags
	store    *connection
	index    func() *projector
	thumbs   *thumbs.Cache
	// memory is what reading and decoding may take.
	memory *picture.Budget
	// loaded, if set, is asked for a model that is loaded already; nil: none.
	loaded func() *captioner.Captioner
	// working reports whether a worker captions beside.
	working func() bool
	// metrics are of what goes on beside.
	metrics []prometheus.Collector
}

// serve serves until ctx ends, and closes the listener.
func (p *site) serve(ctx context.Context, listener net.Listener, out, progress io.Writer) error {
	defer listener.Close()
	own := &ownModel{site: p, progress: progress}
	defer own.close()
	server, err := web.New(web.Config{
		Index:     projectorIndex{p.index},
		Store:     p.store,
		Albums:    albumsOf(p.settings),
		Captioner: func(context.Context) (web.Captioner, error) { return own.open(ctx) },
		Recaption: p.recaption,
		Status:    p.status,
		Data:      p.settings.data,
		Thumbs:    p.thumbs,
		Memory:    p.memory,
		Metrics:   p.metrics,
		Working:   p.working,
		Addr:      listener.Addr(),
		Hosts:     p.flags.hosts,
		ReadOnly:  p.flags.readOnly,
	})
	if err != nil {
		return err
	}
	defer server.Close()
	p.announce(out, listener, server)
	return server.Serve(ctx, listener)
}

// announce says where to look.
func (p *site) announce(out io.Writer, listener net.Listener, server *web.Server) {
	address := "http://" + p.authority(listener)
	switch token := server.NewToken(); {
	case token != "":
		fmt.Fprintf(out, "log in once with this link, which is not shown again:\n%s/login?token=%s\n", address, token)
	case server.TokenFile() != "":
		fmt.Fprintf(out, "%s/ (its token was shown at the first start; without %s the next start makes a new one)\n", address, server.TokenFile())
	default:
		fmt.Fprintf(out, "%s/\n", address)
	}
}

// authority is how a browser on another machine, if any may, names the server.
func (p *site) authority(listener net.Listener) string {
	at, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return listener.Addr().String()
	}
	name, _ := os.Hostname()
	if len(p.flags.hosts) > 0 {
		name = p.flags.hosts[0]
	}
	return net.JoinHostPort(cmp.Or(name, "localhost"), strconv.Itoa(at.Port))
}

// recaption queues photos for this site's model.
func (p *site) recaption(ctx context.Context, olderOnly bool) (int, error) {
	return onLibrary(p.store, func(library *library) (int, error) {
		n, _, err := library.recaption(ctx, p.settings, p.model, olderOnly)
		return n, err
	})
}

// servedStatus is what GET /api/status answers.
type servedStatus struct {
	statusReport
	ReadOnly bool `json:"read_only"`
	// DatabaseProblem says why nothing is known but what search knows.
	DatabaseProblem string `json:"database_problem,omitempty"`
}

func (p *site) status(ctx context.Context) (any, error) {
	report, err := onLibrary(p.store, func(library *library) (statusReport, error) { return statusOf(ctx, p.settings, library) })
	answer := servedStatus{statusReport: report, ReadOnly: p.flags.readOnly}
	if err == nil || ctx.Err() != nil {
		return answer, err
	}
	answer.DatabaseProblem = err.Error()
	answer.Folders, answer.Models, answer.Failures = []folderReport{}, []modelReport{}, []reasonReport{}
	answer.Workers = []workerReport{}
	info, err := projectorIndex{p.index}.Info(ctx)
	answer.Index = indexReport{Photos: int(info.Photos)}
	if err != nil {
		answer.Index.Problem = err.Error()
	}
	return answer, nil
}

// ownModel is the model as a site uses it: one that is loaded already, or its
// own, from the first picture on. One goroutine at a time uses it.
type ownModel struct {
	site     *site
	progress io.Writer
	model    *captioner.Captioner
}

func (m *ownModel) open(ctx context.Context) (web.Captioner, error) {
	if m.site.loaded != nil {
		if loaded := m.site.loaded(); loaded != nil {
			return loaded, nil
		}
	}
	if m.model == nil {
		model, err := openCaptioner(ctx, m.site.settings, m.site.model, m.progress)
		if err != nil {
			return nil, err
		}
		m.model = model
	}
	return m.model, nil
}

func (m *ownModel) close() {
	if m.model != nil {
		_ = m.model.Close()
	}
}

package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// sessionLasts is how long a login is good for.
	sessionLasts = 90 * 24 * time.Hour
	// mostSessions are kept; the one that ends first makes room.
	mostSessions = 100
)

// keyring is a token and the sessions that it opened. Of all of them only
// hashes are kept: who reads the file gets nowhere with it. They are random and
// long, so that a plain hash is enough.
type keyring struct {
	path string

	mu     sync.Mutex
	kept   keys
	readAt time.Time // the file's modification time when it was read
}

type keys struct {
	Token    string               `json:"token_sha256"`
	Sessions map[string]time.Time `json:"sessions"` // when they end, by SHA-256
}

// openKeyring reads a keyring, or makes one with a new token.
func openKeyring(path string) (k *keyring, newToken string, err error) {
	k = &keyring{path: path}
	err = k.read()
	if !errors.Is(err, fs.ErrNotExist) {
		return k, "", err
	}
	newToken = rand.Text()
	k.kept = keys{Token: hash(newToken), Sessions: map[string]time.Time{}}
	return k, newToken, k.write()
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// token reports whether a token is the one.
func (k *keyring) token(token string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return subtle.ConstantTimeCompare([]byte(hash(token)), []byte(k.kept.Token)) == 1
}

// session reports whether a session is open. Looking up a hash tells nothing of
// the secret by the time it takes.
func (k *keyring) session(secret string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	ends, open := k.kept.Sessions[hash(secret)]
	if info, err := os.Stat(k.path); !open && err == nil && !info.ModTime().Equal(k.readAt) {
		// Another process with the same data folder may have opened it.
		if k.read() == nil {
			ends, open = k.kept.Sessions[hash(secret)]
		}
	}
	return open && time.Now().Before(ends)
}

// open starts a session.
func (k *keyring) open() (secret string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	secret = rand.Text()
	now := time.Now()
	maps.DeleteFunc(k.kept.Sessions, func(_ string, ends time.Time) bool { return now.After(ends) })
	if len(k.kept.Sessions) >= mostSessions {
		first := ""
		for session, ends := range k.kept.Sessions {
			if first == "" || ends.Before(k.kept.Sessions[first]) {
				first = session
			}
		}
		delete(k.kept.Sessions, first)
	}
	k.kept.Sessions[hash(secret)] = now.Add(sessionLasts).UTC()
	return secret, k.write()
}

// close ends a session.
func (k *keyring) close(secret string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, open := k.kept.Sessions[hash(secret)]; !open {
		return nil
	}
	delete(k.kept.Sessions, hash(secret))
	return k.write()
}

func (k *keyring) read() error {
	data, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	var kept keys
	if err := json.Unmarshal(data, &kept); err != nil || len(kept.Token) != 2*sha256.Size {
		return fmt.Errorf("%s is damaged: delete it, and the next start makes a new token", k.path)
	}
	if kept.Sessions == nil {
		kept.Sessions = map[string]time.Time{}
	}
	k.kept = kept
	k.readAt = modified(k.path)
	return nil
}

// write replaces the file at once or not at all.
func (k *keyring) write() error {
	data, err := json.Marshal(k.kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(k.path), ".access-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), k.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	k.readAt = modified(k.path)
	return nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// How many wrong tokens may come within a window, from one address and from
// all. A token has 130 bits: this is against noise and load, not against luck.
const (
	failureWindow  = time.Minute
	mostFailures   = 10
	mostOfEveryone = 300
)

// failures counts wrong tokens. The zero value is ready.
type failures struct {
	mu    sync.Mutex
	since time.Time
	by    map[string]int
	all   int
}

// wait is how long an address has to wait until its next attempt is looked at.
func (f *failures) wait(remote string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := failureWindow - time.Since(f.since)
	if left <= 0 {
		f.since, f.by, f.all = time.Now(), make(map[string]int), 0
		return 0
	}
	if f.by[network(remote)] >= mostFailures || f.all >= mostOfEveryone {
		return left
	}
	return 0
}

func (f *failures) add(remote string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by[network(remote)]++
	f.all++
}

// network is what one attacker has of addresses: one, or of IPv6 a /64.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Unmap().Is4() {
		return host
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}

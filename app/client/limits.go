package client

import "time"

// Defaults of OriginOptions and Options.
const (
	defaultTimeout  = 60 * time.Second
	defaultConnect  = 2 * time.Second
	defaultPatience = 2 * time.Second
	// Common servers close idle connections after 60 s (Apache: 5 s, which it states in
	// Keep-Alive) and idle HTTP/2 connections after minutes.
	defaultIdleHTTP1 = 30 * time.Second
	defaultIdleHTTP2 = 5 * time.Minute
	// The second HTTP/2 connection is for content that would delay short messages.
	defaultConnections = 2
	// With 100 streams each: 25,600 tunnels of a loop to an origin.
	defaultLastingConnections = 256
	defaultHTTP1Connections   = 1024
	defaultQueue              = 16384
)

const (
	// bulkSize is the length in bytes from which content prefers another connection than
	// short messages do.
	bulkSize = 64 << 10
	// keptSize is the number of bytes of content that are kept for another try.
	keptSize = 64 << 10
	// maxKept limits the free buffers for that which a loop keeps, those of minKept bytes or
	// more.
	maxKept = 16
	minKept = 1 << 10
	// quietTime is how long an HTTP/2 peer may have been silent before it is asked by PING
	// whether it is still there; pingTime is how long the answer may take.
	quietTime = 10 * time.Second
	pingTime  = time.Second
	// freshTime is how long an HTTP/1 connection may have been idle before its socket is
	// looked at: the look costs a system call, and no server closes a connection so soon
	// after a response without a word in it.
	freshTime = 20 * time.Millisecond
	// expectTime is how long content waits for a 100 (Continue). RFC 9110 section 10.1.1.
	expectTime = time.Second
	// drainSize is the length of content that is read when nobody wants it, in place of
	// closing an HTTP/1 connection, and drainTime is how long that may take.
	drainSize = 64 << 10
	drainTime = time.Second
	// maxDialling limits the connections of a loop and origin that are being opened.
	maxDialling = 64
	// lastingRound is the time after which, or after twice of which, a response whose content
	// is not complete counts as lasting.
	lastingRound = time.Second
	// maxRepeats limits how often one request is sent again because the server surely has
	// not processed it, or has closed a reused connection.
	maxRepeats = 4
	// maxOrigins limits the origins that a Client keeps for URLs.
	maxOrigins = 1024
)

// Pauses before a dial after failures, and after ENHANCE_YOUR_CALM. They double.
const (
	firstPause     = 10 * time.Millisecond
	maxPause       = 5 * time.Second
	patientPause   = 100 * time.Millisecond // at most, while requests wait for a restart
	firstBusyPause = 100 * time.Millisecond
	maxBusyPause   = 10 * time.Second
	busyMemory     = time.Minute
)

// Retries of a loop may be a fifth of its requests, and minRetries at least, over budgetTime
// to twice that.
const (
	retryShare = 5
	minRetries = 3
	budgetTime = 10 * time.Second
)

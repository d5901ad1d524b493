//go:build linux

// Package soak runs the program for long under every protocol, with faulty clients, reloads, stalls and hot restarts,
// and judges each answer.
//
// A run starts `gatewheel gateway` with a file in front of `gatewheel serve`, both with TLS and without, and asks them
// by clients of this process: package net/http, x/net/http2, gorilla/websocket, grpc-go, and sockets. An Element is a
// kind of traffic or of fault; an operation is one run of it. Each request states what its answer must be: status,
// length and SHA-256. A Disturbance is what an operator does meanwhile, and one happens at a time.
//
// A failure is explained by a Rule (the client itself has cut the connection, a restart was in progress) or is
// unexplained, which is a fault of the server. At the end the memory, descriptors and goroutines of both programs must
// be what they were after every element had run once.
package soak

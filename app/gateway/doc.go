// Package gateway forwards requests to other servers, on the loop that got them.
package gateway

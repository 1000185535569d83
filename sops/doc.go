// Package sops seals, keeps, signs, verifies and opens the two Secrets that
// berth commits: a user's pull secret and the project key that opens it.
//
// Start with [NewSealer]. [Sealer.ProjectKey] and [Sealer.PullSecret] take the
// file as it stands in Git and return the file that should stand there: the
// same bytes while they are right, which they decide without any decryption
// key, or a new seal. [Verify] checks a file with public keys alone; [Inspect]
// tells what a file says about itself; [Open] and [ProjectIdentity] decrypt.
// A [Key] is berth's own secret, a [Token] the user's.
//
// # A sealed file
//
// It is a SOPS file that the sops command and Flux open, with one line in front:
//
//	# berth: signed projects/shop/overlays/production/ghcr-secret.sops.yaml 3f29c0aa <signature>
//	apiVersion: v1
//	kind: Secret
//	metadata:
//	    name: ghcr-secret
//	    namespace: project-shop-production
//	    annotations:
//	        berth/fingerprint: v1.3f29c0aa.<HMAC>
//	        berth/generation: "4"
//	        berth/owner: alice
//	        berth/registry: ghcr.io
//	        berth/username: alice
//	type: kubernetes.io/dockerconfigjson
//	data:
//	    .dockerconfigjson: ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]
//	sops:
//	    age: …
//	    encrypted_regex: ^(data|stringData)$
//	    lastmodified: "2026-01-02T03:04:05Z"
//	    mac: ENC[…]
//	    version: 3.13.3
//
// A wrapped project key is of type Opaque, holds data project.agekey, and has
// the annotations berth/generation, berth/owner, berth/project and
// berth/recipient, the public half of the key inside.
//
// The signature is Ed25519 over "berth sealed file v1", the path, and every
// byte after the first line. The fingerprint is HMAC-SHA256 over "berth
// fingerprint v1", namespace, name, generation, the number of recipients, the
// recipients in order, and the dockerconfigjson. In both, each part has its
// length in front, as eight bytes, big-endian. The generation counts the seals
// of one path, so a restored older file is known as one. Where a file was
// deleted, or could not be read any more, the count starts anew; what is older
// can then be told by lastmodified, which is signed too and never goes back.
//
// The MAC is SOPS' full one: it covers the metadata. Flux does not check it,
// [Open] does. It leaves out the names of fields and the comments, which the
// signature covers.
//
// The format is that of SOPS, written and read here with the standard library's
// AES and SHA-512 and with age: upstream's library links the clients of six
// clouds and reads files of its own when a program starts. It is what the tests
// compare with, byte by byte in both directions.
//
// # What this package never does
//
// It reads no file, environment variable or command, and calls no key service:
// recipients and identities are always passed in. It opens files sealed to age
// recipients only, X25519 and hybrid post-quantum, and refuses SSH and plugin
// recipients, which Flux cannot open. No error shows a secret.
package sops

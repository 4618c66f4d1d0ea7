import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const server = join(import.meta.dirname, '../../server')
const secret = String.raw`[\w.#?]*(?:[sS]ecret|[pP]assword|[sS]ignature|[hH]ash|[hH]mac|[sS]tamp|[nN]once|[cC]ookie|[vV]erifier)(?:Hash|Text|Value)?`
const value = String.raw`(?!undefined|null|true|false|'|"|\d)[\w.#]+`
const comparison = new RegExp(String.raw`(?:\b${secret}\)?\s*[=!]==?\s*\(?${value})|(?:${value}\)?\s*[=!]==?\s*\(?${secret}\b)`)

/** Neither side is what a client sent. */
const harmless: readonly string[] = [
  'access/sessions.ts: data.stamp !== passwordStamp(account.passwordHash)',
  'access/htpasswd-file.ts: stamp === this.#stamp',
  'access/htpasswd-file.ts: right.get(name) === hash',
  'access/user-passwords.ts: passwordHash !== expectedHash',
  'features/acme.ts: if (stamp === this.#stamp) return',
  'http/tls-certificates.ts: if (stamp === this.#trustStamp) return false',
  'http/tls-certificates.ts: if (this.#brokenTrustStamp !== stamp)',
  'http/tls-certificates.ts: if (stamp === pair.stamp && !isNewTrust) return false',
  'http/tls-certificates.ts: if (pair.brokenStamp !== stamp)',
  // Of content, which is what its digest says or is not.
  'features/backup-create.ts: digestOfHash(algorithm, hash) !== digest',
  'features/backup-restore-blobs.ts: digestOfHash(algorithm, hash)',
  'features/backup-rows.ts: sha256 !== this.#hash.digest',
  'features/backup-verify.ts: digestOfHash(algorithm, hash) === digest',
  'features/export-blobs.ts: digestOfHash(algorithm, hash) !== digest',
  'oci/damaged-blob.ts: digestOfHash(algorithm, hash) !== digest',
  'registry/move-blobs.ts: digestOfHash(algorithm, hash) !== digest',
]

function isHarmless(file: string, line: string): boolean {
  return harmless.some((each) => {
    const colon = each.indexOf(': ')
    return file === each.slice(0, colon) && line.includes(each.slice(colon + 2))
  })
}

test('no secret is compared by ===, whose time tells how much of a guess is right', () => {
  const found: string[] = []
  for (const file of globSync('{access,http,features,lib,projects,registry,events}/**/*.ts', { cwd: server })) {
    if (/(?:^|\/)test-|\.test\.ts$/.test(file)) continue
    for (const [index, line] of readFileSync(join(server, file), 'utf8').split('\n').entries()) {
      if (/^\s*(?:\/\/|\*|\/\*)/.test(line) || !comparison.test(line) || isHarmless(file, line)) continue
      found.push(`${file}:${index + 1}: ${line.trim()}`)
    }
  }
  assert.deepEqual(found, [], 'use timingSafeEqual, or look the secret up by its hash')
})

test('the pattern finds what it is for', () => {
  for (const line of ['if (given === user.secret)', 'a.passwordHash === hash', 'return cookie !== expected', 'x.nonce == y.nonce'])
    assert.ok(comparison.test(line), line)
  for (const line of ['if (hash === undefined)', "secret !== ''", 'count === 3']) assert.ok(!comparison.test(line), line)
})

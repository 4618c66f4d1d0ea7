import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { tryCommand } from '../support/run-command.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))
const printedPassword = /^ +password +(\S+)$/mu

async function fileOf(berth: RunningBerth, digest: string): Promise<string> {
  const directory = join(berth.dataDir, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7))
  const [generation = ''] = await readdir(directory)
  return join(directory, generation)
}

async function flipBit(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at)
}

interface Operated {
  readonly berth: RunningBerth
  readonly client: RegistryClient
  berthCommand(...args: readonly string[]): ReturnType<typeof tryCommand>
}

async function operated(berth: RunningBerth): Promise<Operated> {
  await until('the password is printed', () => printedPassword.test(berth.logs()))
  const password = printedPassword.exec(berth.logs())?.[1] ?? ''
  const env = {
    PATH: process.env['PATH'] ?? '',
    BERTH_SERVER: berth.url,
    BERTH_USER: 'admin',
    BERTH_TOKEN: password,
    XDG_CONFIG_HOME: berth.dataDir,
  }
  return {
    berth,
    client: registryClient(berth.url, { authorization: basicAuthorization('admin', password) }),
    berthCommand: (...args) => tryCommand([process.execPath, launcher, ...args], { env }),
  }
}

suite('scrub on a running server', { concurrency: 2 }, () => {
  test('is begun, followed and read with the commands; what it finds is told until it is healed', async () => {
    await using berth = await startBerth({ config: { auth: 'accounts' } })
    const { client, berthCommand } = await operated(berth)
    await pushImage(client, 'library/app', 'v1')
    const bytes = randomBytes(3 << 20)
    const { digest } = await client.pushBlob('library/app', bytes)
    const clean = await berthCommand('scrub', '--wait')
    assert.equal(clean.status, 0, clean.output)
    assert.match(clean.stdout, /Nothing is known to be wrong\./u)
    await flipBit(await fileOf(berth, digest), 2_000_000)
    const found = await berthCommand('scrub', '--wait', '--full')
    assert.equal(found.status, 1, found.output)
    assert.match(found.stderr, /wrong digest; the next push of it heals it/u)
    const listed = await berthCommand('scrub', 'findings', '--kind', 'damaged', '--json')
    assert.equal((JSON.parse(listed.stdout) as { items: { digest: string }[] }).items[0]?.digest, digest)
    assert.equal((await client.send(`/v2/library/app/blobs/${digest}`)).status, 404)
    const metrics = (await client.send('/metrics')).body.toString()
    assert.match(metrics, /^registry_scrub_findings\{kind="damaged"\} 1$/mu)
    assert.match(metrics, /^registry_scrub_read_bytes_total [1-9]\d+$/mu)
    assert.match(metrics, /^registry_scrub_last_completed_timestamp_seconds 1\d{9}(?:\.\d+)?$/mu)
    assert.match((await berthCommand('scrub', 'status')).stdout, /^Read: +.*, the bytes of all blobs$/mu)
    const audit = await berthCommand('audit', 'list', '--action', 'blob.quarantined')
    assert.ok(audit.stdout.includes(digest), audit.output)
    const ill = await berthCommand('doctor', '--server', berth.url)
    assert.equal(ill.status, 1, ill.output)
    assert.match(ill.stdout, /^PROBLEM +blobs +1 blobs are in quarantine/mu)
    await client.pushBlob('library/app', bytes)
    assert.match((await berthCommand('scrub', 'status')).stdout, /Nothing is known to be wrong\./u, 'before any other pass')
    assert.equal((await berthCommand('scrub', '--wait')).status, 0)
    const doctor = await berthCommand('doctor', '--server', berth.url)
    assert.equal(doctor.status, 0, doctor.output)
    assert.ok(doctor.stdout.startsWith(`Looking at ${berth.url}`), doctor.output)
    assert.match(doctor.stdout, /^ok +storage/mu)
    for (const args of [
      ['scrub', berth.configFile, '--wait'],
      ['scrub', '--rate', '5'],
      ['scrub', 'orphans', 'delete'],
    ]) {
      const refused = await berthCommand(...args)
      assert.equal(refused.status, 2, args.join(' '))
      assert.doesNotMatch(refused.stderr, /\n\s+at /u)
    }
    assert.equal((await berthCommand('scrub', 'orphans', 'delete', '--yes', '--wait')).status, 0)
    assert.deepEqual(await violationsOf(berth), [])
  })

  test('a pass goes on where it was when its server is killed', async () => {
    await using berth = await startBerth({ config: { auth: 'accounts', scrub: { rate: '4MiB' } } })
    const { client, berthCommand } = await operated(berth)
    for (let number = 0; number < 8; number++) await client.pushBlob('library/app', randomBytes(1 << 20))
    const { digest } = await client.pushBlob('library/app', randomBytes(1 << 20))
    await unlink(await fileOf(berth, digest))
    const started = JSON.parse((await berthCommand('scrub', '--json')).stdout) as { job: number }
    const job = async () =>
      JSON.parse((await client.send(`/api/v1/jobs/${started.job}`)).body.toString()) as Readonly<Record<string, unknown>>
    await until('it runs', async () => (await job())['state'] === 'running')
    for (let kills = 0; kills < 2; kills++) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      await berth.kill9()
      await berth.restart()
    }
    // Where the server may be one of several, each kill costs the time of a lease.
    await until('it is done', async () => (await job())['state'] === 'done', testDialect === 'postgres' ? 150_000 : 30_000)
    const { blobs, found } = (await job())['result'] as { readonly blobs: number; readonly found: object }
    assert.deepEqual([blobs, found], [9, { missing: 1 }])
  })
})

test('with validation.blobs.verifyonread a damaged blob breaks off before its last byte, and is missing from then on', async () => {
  await using berth = await startBerth({ config: { validation: { blobs: { verifyonread: true } } } })
  const client = registryClient(berth.url)
  for (const sizeBytes of [3 << 20, (3 << 20) + 12_345]) {
    const bytes = randomBytes(sizeBytes)
    const { digest } = await client.pushBlob('rot/app', bytes)
    assert.deepEqual(await client.pullBlob('rot/app', digest), bytes)
    await flipBit(await fileOf(berth, digest), 1000)
    const part = await client.send(`/v2/rot/app/blobs/${digest}`, { headers: { range: 'bytes=0-9' } })
    assert.equal(part.status, 206, 'a part cannot be proved')
    await assert.rejects(client.pullBlob('rot/app', digest), /aborted|socket hang up/u)
    await until('it is missing', async () => (await client.send(`/v2/rot/app/blobs/${digest}`, { method: 'HEAD' })).status === 404)
    await client.pushBlob('rot/app', bytes)
    assert.equal(digestOfBytes(await client.pullBlob('rot/app', digest)), digest)
  }
  await until('the damage is counted', async () =>
    /^registry_storage_quarantined_blobs_total 2$/mu.test((await client.send('/metrics')).body.toString()),
  )
  assert.deepEqual(await violationsOf(berth), [])
})

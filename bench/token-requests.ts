/**
 * Token requests and pulls of a Berth that has accounts, which registry:2 has not: figures for Berth alone.
 *
 * npm run bench -- tokens
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requestBytes, type HttpConnection } from './http-connection.ts'
import { berth, cpuMs, freePort, type Peer } from './peers.ts'
import { rounds, type Work } from './scenarios.ts'

const connections = 16
const repository = 'bench/token'

interface Guarded {
  readonly peer: Peer
  /** Of the administrator that the first start makes. */
  readonly password: string
}

/** A Berth with accounts over an empty directory; `more`: lines of its configuration. */
export async function startGuarded(directory: string, more = ''): Promise<Guarded> {
  const configFile = join(directory, 'config.yml')
  const port = await freePort()
  const root = join(directory, 'data')
  writeFileSync(
    configFile,
    `version: 0.1\nstorage: { filesystem: { rootdirectory: ${root} } }\nauth: accounts\nhttp: { addr: "127.0.0.1:${port}" }\n${more}\n`,
  )
  const command = berth.command(configFile)
  if (command === undefined) throw new Error('no Berth')
  const started = performance.now()
  const child = spawn(command[0], [...command[1]], { stdio: ['ignore', 'pipe', 'inherit'] })
  const password = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('utf8')).slice(-64 * 1024)
      const found = /password[^\n]*?[: ]([A-Za-z0-9-]{16,})/i.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  const stop = async () => {
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
  }
  return { peer: { name: 'berth', port, process: child, startMs: performance.now() - started, stop }, password }
}

/** Throws for an answer that is no success. */
export async function call(
  port: number,
  path: string,
  init: RequestInit,
): Promise<{ readonly status: number; readonly body: unknown; readonly location: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, init)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text), location: answer.headers.get('location') ?? '' }
}

const digestOfEmpty = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'

async function pushSmallImage(port: number, authorization: string): Promise<void> {
  const headers = { authorization }
  const { location } = await call(port, `/v2/${repository}/blobs/uploads/`, { method: 'POST', headers })
  const put = new URL(location, `http://127.0.0.1:${port}`)
  put.searchParams.set('digest', digestOfEmpty)
  await call(port, put.pathname + put.search, { method: 'PUT', headers, body: '{}' })
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOfEmpty, size: 2 }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const body = JSON.stringify({ schemaVersion: 2, mediaType, artifactType: 'application/vnd.bench', config: empty, layers: [empty] })
  await call(port, `/v2/${repository}/manifests/latest`, { method: 'PUT', headers: { ...headers, 'content-type': mediaType }, body })
}

async function measured(name: string, peer: Peer, work: () => Promise<Work>): Promise<void> {
  await work()
  const before = cpuMs(peer)
  const { units, seconds, p99Ms } = await work()
  const cpu = ((cpuMs(peer) - before) / units) * 1000
  console.log(
    `| ${name} | ${Math.round(units / seconds).toLocaleString('en')} requests/s | ${p99Ms.toFixed(1)} ms | ${cpu.toFixed(0)} µs |`,
  )
}

/** Prints a table: requests a second, p99, CPU time of the server per request. */
export async function benchTokens(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-'))
  const { peer, password } = await startGuarded(directory)
  try {
    const basic = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
    await pushSmallImage(peer.port, basic)
    const made = await call(peer.port, '/api/v1/tokens', {
      method: 'POST',
      headers: { authorization: basic, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench' }),
    })
    const personal = `Basic ${Buffer.from(`admin:${(made.body as { secret: string }).secret}`).toString('base64')}`
    const path = `/token?service=berth&scope=repository:${repository}:pull,push`
    const { body } = await call(peer.port, path, { headers: { authorization: basic } })
    const bearer = `Bearer ${(body as { token: string }).token}`
    const repeat = (target: string, authorization: string) => () => {
      const bytes = requestBytes('GET', target, { headers: { Authorization: authorization } })
      return rounds(peer.port, connections, async (connection: HttpConnection) => {
        const answer = await connection.request(bytes)
        if (answer.status !== 200) throw new Error(`got\n${answer.headers}`)
        return 1
      })
    }
    console.log(`| ${connections} connections, access log on | | p99 | CPU per request |\n|---|---|---|---|`)
    await measured('token by a remembered password, ES256', peer, repeat(path, basic))
    await measured('token by a personal token, ES256', peer, repeat(path, personal))
    await measured('manifest GET by tag with a bearer token', peer, repeat(`/v2/${repository}/manifests/latest`, bearer))
    await measured('manifest GET by tag with a remembered password', peer, repeat(`/v2/${repository}/manifests/latest`, basic))
  } finally {
    await peer.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

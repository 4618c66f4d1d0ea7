import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess, startProcess, type TestProcess } from '../../cli/test-process.ts'

const root = await mkdtemp(join(tmpdir(), 'berth-workers-'))
after(() => rm(root, { recursive: true, force: true }))

const open = { REGISTRY_HTTP_ADDR: '127.0.0.1:0', REGISTRY_AUTH: 'none', REGISTRY_LOG_ACCESSLOG_DISABLED: 'true' }

/** Each in a directory of its own. */
const start = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const cwd = await mkdtemp(join(root, 'place-'))
  const started = startProcess(['serve', ...args], { cwd, env: { ...open, ...env } })
  const [, url = ''] = await started.printed(/address\s+(http\S+)/)
  return Object.assign(started, { url, cwd })
}

const childrenOf = (pid = 0) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)

const until = async (what: string, holds: () => boolean | Promise<boolean>) => {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await holds()) return
    await sleep(50)
  }
  throw new Error(`${what} did not come`)
}

const answersOf = (url: string) => fetch(`${url}v2/`, { headers: { connection: 'close' } }).then(({ status }) => status)

/** As many as that tell their figures, and so answer. */
const hasWorkers = (berth: TestProcess & { readonly url: string }, count: number) =>
  until(`${count} workers`, async () => (await metricOf(berth, 'registry_workers')) === count)

async function metricOf(berth: { readonly url: string }, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${berth.url}metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .map((line) => Number(line.split(' ').at(-1)))
    .reduce<number | undefined>((sum, value) => (sum ?? 0) + value, undefined)
}

/** A PATCH that stays open. */
async function beginUpload(url: string): Promise<{ readonly socket: Socket; finish(): Promise<string> }> {
  const { hostname, port, host } = new URL(url)
  const begun = await fetch(`${url}v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname, search } = new URL(begun.headers.get('location') ?? '', url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write(
    `PATCH ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\nContent-Type: application/octet-stream\r\n\r\nbegin`,
  )
  await sleep(150)
  return {
    socket,
    async finish() {
      const answer = once(socket, 'data')
      socket.write('ended')
      const [data] = (await answer) as [Buffer]
      return data.toString()
    },
  }
}

suite('berth serve --workers', () => {
  test('several processes answer on one port, and one page of metrics counts for all of them', async () => {
    await using berth = await start(['--workers', '2'])
    await hasWorkers(berth, 2)
    for (let asked = 0; asked < 20; asked += 1) assert.equal(await answersOf(berth.url), 200)
    assert.equal(await metricOf(berth, 'registry_http_requests_total{code="200",handler="base",method="get"}'), 20)
    assert.equal(await metricOf(berth, 'registry_usage_blobs'), 0)
    assert.equal(((await (await fetch(`${berth.url}readyz?verbose`)).json()) as { status: string }).status, 'ready')
    const second = await runProcess(['serve', '--workers', '2'], { cwd: berth.cwd, env: open })
    assert.equal(second.code, 5)
    assert.match(second.stderr, /^berth: another Berth serves the database/)
  })

  test('no connection is left without an end when a worker is killed', async () => {
    await using berth = await start(['--workers', '3'])
    await hasWorkers(berth, 3)
    const ask = async () => {
      const answer = fetch(`${berth.url}v2/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) })
      return await answer.then(
        ({ status }) => String(status),
        (error: Error) => error.name,
      )
    }
    const outcomes = new Map<string, number>()
    for (let round = 0; round < 3; round += 1) {
      const asking = Array.from({ length: 60 }, ask)
      process.kill(childrenOf(berth.child.pid)[0] ?? 0, 'SIGKILL')
      for (const outcome of await Promise.all(asking)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      await hasWorkers(berth, 3)
    }
    assert.equal(outcomes.get('TimeoutError'), undefined, JSON.stringify([...outcomes]))
    assert.ok((outcomes.get('200') ?? 0) > 120, JSON.stringify([...outcomes]))
  })

  test('a worker that is killed under load costs no request that its client repeats, and another takes its place', async () => {
    await using berth = await start(['--workers', '2'])
    await hasWorkers(berth, 2)
    const [victim = 0] = childrenOf(berth.child.pid)
    let repeated = 0
    let done = 0
    const push = async (name: string) => {
      const body = Buffer.from(name.repeat(1000))
      const digest = `sha256:${(await import('node:crypto')).createHash('sha256').update(body).digest('hex')}`
      for (let tries = 0; tries < 5; tries += 1) {
        try {
          const answer = await fetch(`${berth.url}v2/load/blobs/uploads/?digest=${digest}`, {
            method: 'POST',
            body,
            headers: { 'content-type': 'application/octet-stream' },
          })
          if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
          await answer.arrayBuffer()
          done += 1
          return digest
        } catch (error) {
          if (!/fetch failed|terminated|^503/.test(String((error as Error).message))) throw error
          repeated += 1
        }
      }
      throw new Error('five times in vain')
    }
    const senders = Array.from({ length: 8 }, async (_, sender) => {
      const digests: string[] = []
      for (let sent = 0; sent < 40; sent += 1) digests.push(await push(`${sender}-${sent}-`))
      return digests
    })
    await until('some pushes', () => done > 60)
    process.kill(victim, 'SIGKILL')
    const digests = (await Promise.all(senders)).flat()
    assert.ok(repeated <= 16, `${repeated} requests were repeated`)
    for (const digest of digests) assert.equal((await fetch(`${berth.url}v2/load/blobs/${digest}`, { method: 'HEAD' })).status, 200)
    await until('another worker', () => childrenOf(berth.child.pid).length === 2 && !childrenOf(berth.child.pid).includes(victim))
    assert.match(berth.stdout(), /a worker ended by itself/)
  })

  test('SIGTERM lets an upload under way finish and ends with 0; a second one ends all at once', async () => {
    await using patient = await start(['--workers', '2'])
    await hasWorkers(patient, 2)
    const upload = await beginUpload(patient.url)
    patient.child.kill('SIGTERM')
    await sleep(300)
    assert.equal(patient.child.exitCode, null)
    assert.match(await upload.finish(), /^HTTP\/1\.1 202 [^]*connection: close/i)
    assert.equal((await patient.ended).code, 0)

    await using hasty = await start(['--workers', '2'])
    await hasWorkers(hasty, 2)
    const workers = childrenOf(hasty.child.pid)
    await beginUpload(hasty.url)
    hasty.child.kill('SIGTERM')
    await sleep(1200)
    hasty.child.kill('SIGTERM')
    assert.equal((await hasty.ended).code, 143)
    await until('no worker is left', () => workers.every((pid) => !isAlive(pid)))
  })

  test('SIGUSR2 replaces the workers one by one while every request is answered', async () => {
    await using berth = await start(['--workers', '2'])
    await hasWorkers(berth, 2)
    const before = childrenOf(berth.child.pid)
    const upload = await beginUpload(berth.url)
    let isOver = false
    const statuses = new Set<number>()
    const asking = (async () => {
      while (!isOver) statuses.add(await answersOf(berth.url))
    })()
    berth.child.kill('SIGUSR2')
    await berth.printed(/all workers are replaced/)
    assert.match(await upload.finish(), /^HTTP\/1\.1 202 /)
    await until('the old ones are gone', () => before.every((pid) => !isAlive(pid)))
    isOver = true
    await asking
    assert.deepEqual([...statuses], [200])
    await until('two are left', () => childrenOf(berth.child.pid).length === 2)
  })

  test('a keeper that is killed takes its workers along, and the next finds no lock', async () => {
    const berth = await start(['--workers', '2'])
    await hasWorkers(berth, 2)
    const workers = childrenOf(berth.child.pid)
    await berth[Symbol.asyncDispose]()
    await until('no worker is left', () => workers.every((pid) => !isAlive(pid)))
    await using again = startProcess(['serve', '--workers', '2'], { cwd: berth.cwd, env: open })
    await again.printed(/docker push/)
  })

  test('what cannot work is refused in one sentence', async () => {
    const memory = await runProcess(['serve', '--workers', '2'], { cwd: root, env: { ...open, REGISTRY_STORAGE: 'inmemory' } })
    assert.equal(memory.code, 1)
    assert.match(memory.stderr, /^berth: several workers cannot share what is in memory: [^\n]+\n$/)
    for (const count of ['0', '-1', 'many', '257', '1.5', '']) {
      const { code, stderr } = await runProcess(['serve', `--workers=${count}`], { cwd: root, env: open })
      assert.equal(code, 1, count)
      assert.match(stderr, /^berth: --workers: a number from 1 to 256 or auto was expected/)
    }
  })

  test('a first worker that cannot start says why, once, and the command ends with 1', async () => {
    const server = (await import('node:net')).createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const cwd = await mkdtemp(join(root, 'place-'))
    const { code, stderr } = await runProcess(['serve', '--workers', '2'], {
      cwd,
      env: { ...open, REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` },
    })
    server.close()
    assert.equal(code, 1)
    assert.equal(stderr.match(/is in use/g)?.length, 1)
  })
})

function isAlive(pid: number): boolean {
  try {
    // A zombie that nobody has waited for has ended too.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

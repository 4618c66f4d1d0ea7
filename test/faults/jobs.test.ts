import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openTestDatabase } from '#metadata/test-database.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { runBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

const script = fileURLToPath(new URL('job-process.ts', import.meta.url))

const printedPassword = /^ +password +(\S+)$/mu

interface Life {
  readonly status: number | null
  /** The steps that it acknowledged. */
  readonly steps: readonly number[]
}

/** Kills the process `killAfterMs` after its first step. */
async function live(file: string, steps: number, killAfterMs: number): Promise<Life> {
  const child = spawn(process.execPath, [script, file, String(steps)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    timer ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  return { status, steps: out.split('\n').slice(0, -1).map(Number) }
}

suite('jobs whose process is killed', { concurrency: 2 }, () => {
  test('kill -9 at any moment of a job loses no step of it and does none twice', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'berth-jobs-'))
    t.after(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'berth.db')
    const steps = 1_500
    const seen: number[] = []
    let kills = 0
    for (let lives = 1; ; lives++) {
      assert.ok(lives <= 60, 'it makes no progress')
      // A dozen kills at moments of chance, and then it may end.
      const { status, steps: acknowledged } = await live(file, steps, kills < 12 ? randomInt(0, 60) : 60_000)
      seen.push(...acknowledged)
      if (status === 0) break
      kills++
    }
    t.diagnostic(`killed ${kills} times`)
    assert.ok(kills >= 5, `it was killed ${kills} times only`)
    assert.equal(new Set(seen).size, seen.length, 'no step was acknowledged twice')
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    )
    await using metadata = await openTestDatabase(file)
    const row = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'count').executeTakeFirst()
    assert.equal(row?.value, String(steps), 'each step was done once')
    const jobs = await metadata.reader
      .selectFrom('jobs')
      .select(['state', 'cursor', 'fence', 'result'])
      .where('kind', '=', 'count')
      .execute()
    assert.deepEqual(jobs, [{ state: 'done', cursor: String(steps), fence: kills + 1, result: JSON.stringify({ steps }) }])
  })

  test('a process that is paused loses its job to another one, and writes nothing more for it when it wakes', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'berth-jobs-'))
    t.after(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'berth.db')
    const steps = 60
    const begin = () => {
      const child = spawn(process.execPath, [script, file, String(steps), '50'], { stdio: ['ignore', 'pipe', 'inherit'] })
      t.after(() => child.kill('SIGKILL'))
      const seen: number[] = []
      child.stdout.setEncoding('utf8').on('data', (text: string) => seen.push(...text.split('\n').slice(0, -1).map(Number)))
      return { child, seen, ended: new Promise<number | null>((resolve) => child.once('close', resolve)) }
    }
    const paused = begin()
    await until('the first one is on its way', () => paused.seen.length >= 10)
    // Some time after a step: between two transactions, for a lock that is held by a process that sleeps holds up everybody.
    await new Promise((resolve) => setTimeout(resolve, 15))
    paused.child.kill('SIGSTOP')
    const other = begin()
    assert.equal(await other.ended, 0)
    assert.deepEqual(
      other.seen,
      Array.from({ length: other.seen.length }, (_, index) => steps - other.seen.length + index + 1),
      'it went on to the end',
    )
    assert.ok(other.seen.length > 10)
    paused.child.kill('SIGCONT')
    assert.equal(await paused.ended, 0)
    assert.equal(paused.seen.length + other.seen.length, steps, 'no step was acknowledged twice')
    await using metadata = await openTestDatabase(file)
    const row = await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'count').executeTakeFirst()
    assert.equal(row?.value, String(steps), 'each step was done once')
    const jobs = await metadata.reader.selectFrom('jobs').select(['state', 'fence']).where('kind', '=', 'count').execute()
    assert.deepEqual(jobs, [{ state: 'done', fence: 2 }])
  })

  test('a server that is killed in its garbage collection goes on with it when it is back', async (t) => {
    await using berth = await startBerth({ config: { auth: 'accounts', storage: { garbagedelay: '1s' } } })
    await until('the password is printed', () => printedPassword.test(berth.logs()))
    const password = printedPassword.exec(berth.logs())?.[1] ?? ''
    const client = registryClient(berth.url, { authorization: basicAuthorization('admin', password) })
    const count = 400
    for (let index = 0; index < count; index++) await client.pushBlob('jobs/blobs', randomBytes(64))
    const kept = randomBytes(64)
    await client.pushBlob('jobs/blobs', kept)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const first = await client.send('/api/v1/schedules/collect-garbage/run', { method: 'POST' })
    assert.equal(first.status, 202, first.body.toString())
    const { id } = JSON.parse(first.body.toString()) as { readonly id: number }
    for (let kills = 0; kills < 4; kills++) {
      await new Promise((resolve) => setTimeout(resolve, randomInt(0, 40)))
      await berth.kill9()
      await berth.restart()
      assert.deepEqual(await violationsOf(berth), [], `after kill ${kills + 1}`)
    }
    const state = async () => JSON.parse((await client.send(`/api/v1/jobs/${id}`)).body.toString()) as Readonly<Record<string, unknown>>
    await until('the job is done', async () => (await state())['state'] === 'done', 30_000)
    t.diagnostic(JSON.stringify(await state()))
    assert.deepEqual(await violationsOf(berth), [])
    await client.pushBlob('jobs/blobs', kept)
    assert.equal(digestOfBytes(await client.pullBlob('jobs/blobs', digestOfBytes(kept))), digestOfBytes(kept))
    assert.equal(await berth.stop(), 0)
    await runBerth('garbage-collect', '--now', berth.configFile)
    assert.deepEqual(await violationsOf(berth), [])
  })
})

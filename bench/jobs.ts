/**
 * Jobs that do nothing, from being enqueued (each in a transaction of its own) to being claimed, run and ended by four claimers, on a SQLite file with
 * every commit synced: figures for Berth alone, which registry:2 has no such thing to compare with.
 *
 * npm run bench -- jobs
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createJobs } from '#jobs/create-jobs.ts'
import type { Jobs } from '#jobs/jobs.ts'
import { systemPorts } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openSqlite } from '#metadata/sqlite.ts'
import { median } from './report.ts'

const claimers = 4
const jobsARound = 20_000
const rounds = 5
/** Enqueued at once: what many requests would do. */
const producers = 256

/** `connections`: databases that are opened on the file, each with a writer of its own, as separate processes have. */
async function measure(connections: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-'))
  const log = pino({ enabled: false })
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  const databases: Metadata[] = []
  for (let index = 0; index < connections; index++)
    databases.push(stack.use(await openSqlite({ file: join(directory, 'berth.db'), ports: systemPorts, log })))
  let ended = 0
  const finished = Promise.withResolvers<void>()
  const rooms = Array.from({ length: claimers }, (_, index): Jobs => {
    const metadata = databases[index % connections]
    if (metadata === undefined) throw new Error('no database')
    const kind = { name: 'no-op', title: 'Nothing', concurrency: 256, run: async () => undefined }
    return createJobs({ metadata, ports: systemPorts, log, kinds: [kind] })
  })
  for (const room of rooms) {
    const onEnd = ({ kind }: { readonly kind: string }) => {
      if (kind === 'no-op' && ++ended === jobsARound) finished.resolve()
    }
    stack.use(room.start({ onEnd }))
  }
  // The timers of workers keep no process alive.
  const alive = setInterval(() => undefined, 1_000)
  stack.defer(() => clearInterval(alive))
  await new Promise((resolve) => setTimeout(resolve, 500))
  const startedAt = performance.now()
  let next = 0
  const produce = async () => {
    while (next < jobsARound) {
      const room = rooms[next++ % claimers]
      await room?.enqueue({ kind: 'no-op', payload: { number: next }, createdBy: 'bench' })
    }
  }
  await Promise.all(Array.from({ length: producers }, produce))
  await finished.promise
  return jobsARound / ((performance.now() - startedAt) / 1000)
}

/** Prints a table: jobs a second, the median of the rounds and their span. */
export async function benchJobs(): Promise<void> {
  console.log(
    `| ${jobsARound.toLocaleString('en')} jobs that do nothing, enqueued, claimed and ended; ${claimers} claimers | jobs/s | span |\n|---|---|---|`,
  )
  for (const [name, connections] of [
    ['one process: four workers on one database', 1],
    ['four databases opened on one file, as four processes do', 4],
  ] as const) {
    const rates: number[] = []
    for (let round = 0; round < rounds; round++) rates.push(await measure(connections))
    const figure = (rate: number) => Math.round(rate).toLocaleString('en')
    console.log(`| ${name} | ${figure(median(rates))} | ${figure(Math.min(...rates))} to ${figure(Math.max(...rates))} |`)
  }
}

/**
 * `npm run test:simulation`: runs seeds, on all processors, until their number and their time are over; prints every seed that fails with its operations,
 * made as few as still fail. `--seed N` replays one, `--short` with as few operations as fail, `--trace` with all its events. `--seeds N` and `--from N` say
 * which are run in any case; after those more, until `--seconds N` are over.
 */
import { availableParallelism } from 'node:os'
import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { SimDatabase } from './database.ts'
import { shorten } from './shorten.ts'
import { simulate, type Run } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '70' },
    every: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    workers: { type: 'string' },
    'stop-after': { type: 'string', default: '3' },
  },
})

function describe({ seed, profile, operations, violations, recent, traceHash }: Run): string {
  return [
    `seed ${seed} fails:`,
    ...violations.map((violation) => `  ${violation}`),
    `profile ${JSON.stringify(profile)}`,
    `operations (${operations.length}):`,
    ...operations.map((operation) => `  ${JSON.stringify(operation)}`),
    'last events:',
    ...recent.slice(-40).map((line) => `  ${line}`),
    `trace ${traceHash}`,
    `replay: node test/simulation/run.ts --seed ${seed}`,
  ].join('\n')
}

async function replay(seed: number): Promise<void> {
  const database = await SimDatabase.make()
  const run = await simulate(database, seed, { isTraced: values.trace && !values.short })
  if (run.violations.length === 0) {
    console.log(`seed ${seed} holds: ${run.operations.length} operations, ${run.steps} events, trace ${run.traceHash}`)
    return
  }
  const best = values.short ? await shorten(database, run) : run
  if (values.short && values.trace) await simulate(database, seed, { operations: best.operations, isTraced: true })
  console.log(describe(best))
  process.exitCode = 1
}

/** One processor's part: every n-th seed. Tells its parent of failures, and how many it ran. */
async function work(): Promise<void> {
  const database = await SimDatabase.make()
  const [from, seeds, every] = [Number(values.from), Number(values.seeds), Number(values.every)]
  let failed = 0
  let steps = 0
  let ran = 0
  const isTime = () => performance.now() < Number(values.seconds) * 1000
  for (let seed = from; seed < from + seeds || isTime(); seed += every) {
    const run = await simulate(database, seed)
    ran++
    steps += run.steps
    if (run.violations.length === 0) continue
    failed++
    process.send?.({ failed: seed })
    console.log(describe(values.brief ? run : await shorten(database, run)))
    if (failed >= Number(values['stop-after'])) break
  }
  process.send?.({ ran, steps })
}

interface Message {
  readonly failed?: number
  readonly ran?: number
  readonly steps?: number
}

async function runAll(): Promise<void> {
  const workers = Number(values.workers ?? availableParallelism())
  const startedAt = performance.now()
  let [ran, steps] = [0, 0]
  const failed: number[] = []
  const parts = Array.from({ length: workers }, (_, index) => {
    const args = [
      '--from',
      String(Number(values.from) + index),
      '--seeds',
      String(Number(values.seeds) - index),
      '--every',
      String(workers),
      '--workers',
      '0',
      '--seconds',
      values.seconds,
    ]
    const child = fork(fileURLToPath(import.meta.url), [...args, '--stop-after', values['stop-after']], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (message: Message) => {
      if (message.failed !== undefined) failed.push(message.failed)
      ran += message.ran ?? 0
      steps += message.steps ?? 0
    })
    return new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
  })
  const codes = await Promise.all(parts)
  const seconds = (performance.now() - startedAt) / 1000
  console.log(
    `${ran} seeds from ${values.from}, ${steps} events in ${seconds.toFixed(1)} s (${(ran / seconds).toFixed(0)} a second): ${failed.length} failed`,
  )
  if (failed.length > 0 || codes.some((code) => code !== 0)) {
    console.log(`failing seeds: ${failed.sort((a, b) => a - b).join(', ')}`)
    process.exitCode = 1
  }
}

if (values.seed !== undefined) await replay(Number(values.seed))
else if (values.workers === '0') await work()
else await runAll()

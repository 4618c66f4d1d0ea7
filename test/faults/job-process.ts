/**
 * A process of its own for the tests: `node job-process.ts <file> <steps> [pause]`. Opens the database, and takes up the job `count`, which counts one more in each
 * of its steps, in one transaction with its cursor. With `pause` it waits so many milliseconds after each step,
 * and knows of others that work on the file. Says on its output each step that was acknowledged, and ends with status 0 when the job is done.
 */
import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { createJobs } from '#jobs/create-jobs.ts'
import type { JobKind } from '#jobs/jobs.ts'
import { readJob } from '#jobs/list-jobs.ts'
import { countOne } from '#jobs/test-transactions.ts'
import { systemPorts } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'

const [, , file = '', steps = '0', pause] = process.argv

const log = pino({ enabled: false })
await using metadata = await openTestDatabase(file, { log })

const count: JobKind = {
  name: 'count',
  title: 'Count',
  async run(run) {
    for (let next = ((run.cursor as number | undefined) ?? 0) + 1; next <= Number(steps); next++) {
      run.report({ done: next, total: Number(steps) })
      run.log('info', `step ${next}`)
      await metadata.write(countOne, { job: run.job, cursor: next })
      writeSync(1, `${next}\n`)
      if (pause !== undefined) await new Promise((resolve) => setTimeout(resolve, Number(pause)))
    }
    return { steps: Number(steps) }
  },
}

const jobs = createJobs({ metadata, ports: systemPorts, log, kinds: [count] })
const { jobId } = await jobs.enqueue({ kind: 'count', uniqueKey: 'count', createdBy: 'test' })
await using _working = jobs.start({ isAlone: pause === undefined })
while ((await readJob(jobs, jobId)).state !== 'done') await new Promise((resolve) => setTimeout(resolve, 2))

/** Times pulls: the process behind password-flood.test.ts whose waiting is measured, so it does nothing else. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LeanConnection, requestText } from './lean-connection.ts'

/** What to pull, in turns, one each `intervalMs` for `forMs`. */
export interface PullOrder {
  readonly port: number
  readonly authorization: string
  readonly paths: readonly string[]
  readonly forMs: number
  readonly intervalMs: number
}

let connection: LeanConnection | undefined

/** Gives the milliseconds of each pull, by path. */
async function measure({ port, authorization, paths, forMs, intervalMs }: PullOrder): Promise<readonly (readonly number[])[]> {
  const requests = paths.map((path) => requestText('GET', path, { Authorization: authorization }))
  const times: number[][] = paths.map(() => [])
  connection ??= await LeanConnection.open(port)
  const end = performance.now() + forMs
  for (let number = 0; performance.now() < end; number++) {
    const which = number % requests.length
    const at = performance.now()
    const { status } = await connection.send(requests[which] ?? Buffer.alloc(0))
    times[which]?.push(performance.now() - at)
    if (status !== 200) throw new Error(`a pull was answered with ${status}`)
    await sleep(intervalMs)
  }
  return times
}

if (process.send !== undefined) {
  process.on('message', (order: PullOrder) => {
    measure(order).then(
      (times) => process.send?.({ times }),
      (error: unknown) => process.send?.({ error: String(error) }),
    )
  })
}

/** Sends wrong passwords until it is told to stop: the thread behind password-flood.test.ts. */
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { basicAuthorization } from '../support/http-client.ts'

export interface Asked {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly agent: Agent
}

/** One request over a kept connection; its status. */
export function ask({ url, headers, agent }: Asked): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { headers, agent }, (answer) => {
      answer.resume()
      answer.once('end', () => resolve(answer.statusCode ?? 0)).once('error', reject)
    })
    outgoing.once('error', reject).end()
  })
}

/** What to send: from that one address, or (undefined) from as many as there are requests. */
export interface FloodOrder {
  readonly url: string
  readonly connections: number
  readonly address: string | undefined
}

export interface FloodReport {
  readonly sent: number
  readonly statuses: Readonly<Record<string, number>>
}

/** Names that are there and names that are not. */
async function send({ url, connections, address }: FloodOrder, signal: AbortSignal): Promise<FloodReport> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const statuses: Record<string, number> = {}
  let sent = 0
  const one = async () => {
    while (!signal.aborted) {
      const number = sent++
      const sender = address ?? `198.${18 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
      const name = number % 2 === 0 ? 'admin' : `user-${number}`
      const headers = { authorization: basicAuthorization(name, `wrong-${number}`), 'x-forwarded-for': sender }
      const status = await ask({ url, headers, agent })
      statuses[status] = (statuses[status] ?? 0) + 1
      // An attacker's machine is not this one: what it would take of the cores is left to the server.
      await sleep(50)
    }
  }
  await Promise.all(Array.from({ length: connections }, one))
  agent.destroy()
  return { sent, statuses }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  const stop = new AbortController()
  port.once('message', () => stop.abort())
  port.postMessage(await send(workerData as FloodOrder, stop.signal))
}

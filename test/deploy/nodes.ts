import { startBerth } from '../support/start-berth.ts'
import type { BerthOptions, RunningBerth } from '../support/start-berth.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import type { PushedImage, RegistryClient } from '../support/registry-client.ts'
import { sendRequest } from '../support/http-client.ts'
import type { HttpRequest, HttpResponse } from '../support/http-client.ts'

/** Two servers with the same images, each with data of its own. */
export interface Nodes extends AsyncDisposable {
  readonly all: readonly [RunningBerth, RunningBerth]
  readonly image: PushedImage
}

/** Starts them and pushes the same image, `shared/app:v1`, to both. */
export async function startNodes(options: BerthOptions = {}): Promise<Nodes> {
  await using stack = new AsyncDisposableStack()
  const first = stack.use(await startBerth(options))
  const second = stack.use(await startBerth(options))
  const images = []
  for (const node of [first, second]) images.push(await pushImage(registryClient(node.url), 'shared/app', 'v1'))
  const [image] = images
  if (image === undefined) throw new Error('nothing was pushed')
  const held = stack.move()
  return { all: [first, second], image, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** What a load met: how many were answered at once, how many after being repeated, and who never was. */
export interface Load {
  answered: number
  repeated: number
  readonly lost: string[]
}

/** Repeats requests as docker does: up to five times, when there was no answer or a 5xx. Returns the answer that counts. */
export async function persistent(load: Load, url: string, request: HttpRequest): Promise<HttpResponse | undefined> {
  let last = ''
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const answer = await sendRequest(url, request)
      if (answer.status < 500) {
        load.answered += 1
        return answer
      }
      last = `${answer.status}`
    } catch (error) {
      last = String(error)
    }
    load.repeated += 1
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** tries))
  }
  load.lost.push(`${request.method ?? 'GET'} ${url}: ${last}`)
  return undefined
}

/** A client that trusts `ca`, for the balancer. */
export function balanced(url: string, ca: string): RegistryClient {
  return registryClient(url, { ca })
}

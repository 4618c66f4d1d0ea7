/** What holds answers back (access/refusal-pace.ts) knows of the request that waits. */
import type { Awaited } from '#access/refusal-pace.ts'
import type { Exchange } from './exchange.ts'

/** Of one exchange. A class, since each request makes one and nearly none is asked. */
export class AwaitedAnswer implements Awaited {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  hurry(): AbortSignal {
    const { response, site } = this.#exchange
    const controller = new AbortController()
    // Without a reason an exception with a stack would be made for each.
    const leave = () => controller.abort('hurry')
    if (response.destroyed || site.state.isDraining) {
      leave()
      return controller.signal
    }
    const { heldAnswers } = site.parts.metrics
    site.held.add(leave)
    heldAnswers.inc()
    response.once('close', () => {
      site.held.delete(leave)
      heldAnswers.dec()
      leave()
    })
    return controller.signal
  }

  isGone(): boolean {
    return this.#exchange.response.destroyed
  }

  closeAfter(): void {
    this.#exchange.response.shouldKeepAlive = false
  }
}

/** What goes wrong on purpose. */

interface Armed {
  readonly call: string
  readonly code: string
  rest: number
}

const databaseFaults = ['begin immediate', 'commit', 'answer lost'] as const
export type DatabaseFault = (typeof databaseFaults)[number]

/** Faults that wait for their call. Each happens once. */
export class Faults {
  readonly #steps: () => number
  readonly #error: (code: string, syscall: string, path: string) => Error
  #armed: Armed[] = []
  /** Since the first fault requests may fail for reasons that are nobody's mistake. */
  firstAt = Infinity

  constructor(steps: () => number, error: (code: string, syscall: string, path: string) => Error) {
    this.#steps = steps
    this.#error = error
  }

  arm(fault: { readonly call: string; readonly code: string; readonly nth: number }): void {
    this.#armed.push({ call: fault.call, code: fault.code, rest: fault.nth })
  }

  clear(): void {
    this.#armed = []
  }

  #take(call: string): Armed | undefined {
    for (const armed of this.#armed) {
      if (armed.call !== call || armed.rest-- > 0) continue
      this.#armed = this.#armed.filter((each) => each !== armed)
      this.firstAt = Math.min(this.firstAt, this.#steps())
      return armed
    }
    return undefined
  }

  /** What the call fails with, if it is to. */
  ofFiles(call: string, path: string): Error | undefined {
    const armed = this.#take(call)
    return armed && this.#error(armed.code, call, path)
  }

  ofDatabase(): DatabaseFault | undefined {
    return databaseFaults.find((fault) => this.#take(fault) !== undefined)
  }
}

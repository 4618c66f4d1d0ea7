import { useState } from 'react'
import { Cancelled } from '../api/elevation-request.ts'

/** What a form is in the middle of. */
export interface Try {
  readonly error: unknown
  readonly isBusy: boolean
  readonly attempt: (work: () => Promise<unknown>) => void
  readonly clear: () => void
}

/** Runs what a form is for, one at a time; keeps what went wrong until the next try. */
export function useTry(): Try {
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true)
    setError(undefined)
    try {
      await work()
    } catch (failure) {
      if (!(failure instanceof Cancelled)) setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return { error, isBusy, attempt: (work) => void run(work), clear: () => setError(undefined) }
}

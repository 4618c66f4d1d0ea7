/**
 * What happens, as it happens. The browser's EventSource comes back by itself, with the id of the last record, when the connection breaks; what it gives up
 * (a refusal is final to it) is tried again here, later each time. A page that is not looked at holds no connection: browsers have six for a server.
 */
import { useEffect, useRef, useState } from 'react'
import { addressOf } from './address.ts'
import { live } from './routes.ts'
import type { AuditRecord, JobRecord } from './live-records.ts'

export type LiveState = 'waiting' | 'on'

/** What is told. */
export interface LiveHandlers {
  readonly onJob?: (job: JobRecord) => void
  readonly onActivity?: (record: AuditRecord) => void
  /** The connection stands, for the first time or again: what happened in between is not known, or comes now. */
  readonly onBegin?: () => void
  /** Too much happened to tell it: read the list again. */
  readonly onMissed?: () => void
}

interface LiveWanted extends LiveHandlers {
  readonly topics: 'jobs' | 'activity'
  readonly project?: string | undefined
  /** False: nothing is asked, for the reader may not. */
  readonly isOn: boolean
}

const firstPauseMs = 2_000
const longestPauseMs = 60_000

/** Follows while the component is there. */
export function useLive({ topics, project, isOn, ...handlers }: LiveWanted): LiveState {
  const [state, setState] = useState<LiveState>('waiting')
  // The handlers of the latest drawing, without a new connection for each.
  const latest = useRef<LiveHandlers>(handlers)
  useEffect(() => {
    latest.current = handlers
  })
  useEffect(() => {
    if (!isOn) return undefined
    return follow({ topics, project, handlers: () => latest.current, tell: setState })
  }, [topics, project, isOn])
  return state
}

interface Following {
  readonly topics: string
  readonly project: string | undefined
  readonly handlers: () => LiveHandlers
  readonly tell: (state: LiveState) => void
}

function follow({ topics, project, handlers, tell }: Following): () => void {
  let source: EventSource | undefined
  let after: number | undefined
  let pauseMs = firstPauseMs
  let timer: ReturnType<typeof setTimeout> | undefined
  const close = () => {
    clearTimeout(timer)
    source?.close()
    source = undefined
    tell('waiting')
  }
  const later = () => {
    close()
    timer = setTimeout(open, pauseMs)
    pauseMs = Math.min(longestPauseMs, pauseMs * 2)
  }
  const open = () => {
    if (document.hidden) return
    const current = new EventSource(addressOf(live, {}, { topics, project, after }))
    source = current
    const on = <Data>(name: string, take: (data: Data) => void) => {
      current.addEventListener(name, (event) => {
        const { data, lastEventId } = event as MessageEvent<string>
        if (/^\d+$/.test(lastEventId)) after = Number(lastEventId)
        take(JSON.parse(data) as Data)
      })
    }
    current.addEventListener('open', () => {
      pauseMs = firstPauseMs
      tell('on')
      handlers().onBegin?.()
    })
    on<JobRecord>('job', (job) => handlers().onJob?.(job))
    on<AuditRecord>('activity', (record) => handlers().onActivity?.(record))
    on<unknown>('missed', () => handlers().onMissed?.())
    // Whoever lost the right asks no more, until the page is opened anew.
    on<{ readonly reason: string }>('end', ({ reason }) => reason === 'right' && close())
    on<unknown>('begin', () => {})
    current.addEventListener('error', () => {
      if (current !== source) return
      tell('waiting')
      if (current.readyState === EventSource.CLOSED) later()
    })
  }
  const look = () => {
    if (document.hidden) close()
    else if (source === undefined) open()
  }
  document.addEventListener('visibilitychange', look)
  open()
  return () => {
    document.removeEventListener('visibilitychange', look)
    close()
  }
}

/** Lists of what happened, and of jobs, kept up by live updates. */
import type { RouteContract } from '#api/contract.ts'
import type { InfiniteData } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { keyOf, queryClient, type Page } from './client.ts'
import type { AuditRecord, JobRecord } from './live-records.ts'
import { useLive, type LiveState } from './live.ts'
import { listAudit, listJobs, listProjectAudit, readJob, readJobLines } from './routes.ts'

interface ActivityWanted {
  readonly isOn: boolean
  /** Of a project alone. */
  readonly project?: string | undefined
  /** Told of each record. */
  readonly onRecord?: () => void
}

/** Puts what happens on top of the lists that show everything; those that are narrowed are read again. */
export function useLiveActivity({ isOn, project, onRecord }: ActivityWanted): LiveState {
  const route: RouteContract = project === undefined ? listAudit : listProjectAudit
  const again = useGently(() => void queryClient.invalidateQueries({ queryKey: keyOf(route) }))
  return useLive({
    topics: 'activity',
    project,
    isOn,
    onActivity: (record) => {
      onRecord?.()
      let isNarrowed = false
      for (const query of queryClient.getQueryCache().findAll({ queryKey: keyOf(route) })) {
        if (isWhole(query.queryKey[1], project))
          queryClient.setQueryData<Pages<AuditRecord>>(query.queryKey, (data) => withFirst(data, record))
        else isNarrowed = true
      }
      if (isNarrowed) again()
    },
    // Between what was read and the first that is told something may lie.
    onBegin: again,
    onMissed: again,
  })
}

/** Puts jobs as they are now into the lists and their own pages. */
export function useLiveJobs({ isOn }: { readonly isOn: boolean }): LiveState {
  const again = useGently(() => void queryClient.invalidateQueries({ queryKey: keyOf(listJobs) }))
  return useLive({
    topics: 'jobs',
    isOn,
    onJob: (job) => {
      queryClient.setQueryData(keyOf(readJob, { params: { job: job.id } }), job)
      void queryClient.invalidateQueries({
        queryKey: keyOf(readJobLines),
        predicate: ({ queryKey }) => (queryKey[1] as { readonly params?: { readonly job?: number } }).params?.job === job.id,
      })
      let isKnown = true
      for (const { queryKey, state } of queryClient.getQueryCache().findAll({ queryKey: keyOf(listJobs) })) {
        const has = (state.data as Pages<JobRecord> | undefined)?.pages.some(({ items }) => items.some(({ id }) => id === job.id)) === true
        if (has) queryClient.setQueryData<Pages<JobRecord>>(queryKey, (data) => withChanged(data, job))
        else isKnown = false
      }
      // One that has come, or that a list of one state does not have yet.
      if (!isKnown || job.endedAt !== null) again()
    },
    onBegin: again,
    onMissed: again,
  })
}

type Pages<Item> = InfiniteData<Page<Item>>

function isWhole(input: unknown, project: string | undefined): boolean {
  const { params, query } = input as { readonly params?: { readonly project?: string }; readonly query?: object }
  return params?.project === project && Object.keys(query ?? {}).every((name) => name === 'limit')
}

function withFirst(data: Pages<AuditRecord> | undefined, record: AuditRecord): Pages<AuditRecord> | undefined {
  const [first, ...rest] = data?.pages ?? []
  if (data === undefined || first === undefined) return data
  return { ...data, pages: [{ ...first, items: [record, ...first.items.filter(({ id }) => id !== record.id)] }, ...rest] }
}

function withChanged(data: Pages<JobRecord> | undefined, job: JobRecord): Pages<JobRecord> | undefined {
  if (data === undefined) return data
  const pages = data.pages.map((page) => ({ ...page, items: page.items.map((each) => (each.id === job.id ? job : each)) }))
  return { ...data, pages }
}

/** Many calls in a short time become one at once and one at the end. */
export function useGently(work: () => void, pauseMs = 1_000): () => void {
  const gate = useMemo(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let isWanted = false
    const run = (doWork: () => void) => {
      if (timer !== undefined) {
        isWanted = true
        return
      }
      doWork()
      timer = setTimeout(() => {
        timer = undefined
        if (isWanted) {
          isWanted = false
          run(doWork)
        }
      }, pauseMs)
    }
    return { run, stop: () => clearTimeout(timer) }
  }, [pauseMs])
  useEffect(() => gate.stop, [gate])
  return () => gate.run(work)
}

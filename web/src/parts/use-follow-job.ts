import { useNavigate } from '@tanstack/react-router'
import { useWho } from '../api/session.ts'
import { tell } from './problem.tsx'

/** Says that work began, and goes to where it is seen by those who may. */
export function useFollowJob(): (job: number | null, title: string) => Promise<void> {
  const who = useWho()
  const navigate = useNavigate()
  return async (job, title) => {
    tell(title)
    if (job !== null && who.may('job:list')) await navigate({ to: '/admin/jobs', search: { job } })
  }
}

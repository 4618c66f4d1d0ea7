/** Robots of the whole registry, and with a switch those of all projects. */
import { useSearch } from '@tanstack/react-router'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Choice } from '../../parts/choice.tsx'
import { PageHead } from '../../parts/layout.tsx'
import { useWords } from '../../parts/use-words.ts'
import { RobotList } from '../robots/robot-list.tsx'

const levels = ['system', 'all'] as const

export function RobotsPage() {
  const { t } = useWords()
  const who = useWho()
  const set = useSetSearch()
  const search = useSearch({ from: '/shell/admin/robots' })
  const { view = 'system' } = search
  return (
    <RobotList
      project={undefined}
      may={(permission) => who.may(permission)}
      search={search}
      level={view === 'all' ? 'all' : 'system'}
      filters={
        <Choice
          label={t('manage:robots.level')}
          values={levels}
          value={view}
          say={(level) => t(`manage:robots.levels.${level}`)}
          onChange={(level) => set({ view: level })}
        />
      }
      head={(create) => <PageHead title={t('manage:robots.title')} description={t('manage:robots.text')} actions={create} />}
    />
  )
}

import { Badge, Button, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { endSession, endSessions, listSessions } from '../../api/routes.ts'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useTry } from '../../parts/use-try.ts'

/** `Firefox · Linux`: enough to know one's own again. */
function browserOf(userAgent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(userAgent)?.[1]
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1]
  const named: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera', 'Mac OS X': 'macOS' }
  const words = [browser, system].filter((each) => each !== undefined).map((each) => named[each] ?? each)
  return words.length === 0 ? userAgent.slice(0, 60) : words.join(' · ')
}

/** Where one is signed in. */
export function Sessions() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(listSessions))
  const { error: failure, isBusy, attempt } = useTry()
  const end = (session: number) => attempt(() => change(endSession, { params: { session } }, [listSessions]))
  const endOthers = () => attempt(() => change(endSessions, { query: { keepCurrent: true } }, [listSessions]))
  const hasOthers = data?.items.some(({ isCurrent }) => !isCurrent) === true
  const others = hasOthers ? (
    <Button size="compact-sm" variant="default" onClick={endOthers} disabled={isBusy}>
      {t('account.endOthers')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('account.sessions')} actions={others} isFlush>
      {error !== null && <Problem error={error} />}
      {failure !== undefined && <Problem error={failure} />}
      {data === undefined && error === null && <Waiting rows={2} />}
      <ul className="rows">
        {data?.items.map(({ id, isCurrent, address, userAgent, lastSeenAt }) => (
          <li key={id}>
            <div style={{ minWidth: 0 }}>
              <Group gap={8}>
                <Text fw={500} title={userAgent}>
                  {browserOf(userAgent)}
                </Text>
                {isCurrent && <Badge color="tide">{t('account.thisSession')}</Badge>}
              </Group>
              <Text size="sm" c="dimmed" component="div">
                <span className="mono">{address}</span> · <RelativeTime at={lastSeenAt} />
              </Text>
            </div>
            {!isCurrent && (
              <Button size="compact-sm" variant="default" onClick={() => end(id)} disabled={isBusy}>
                {t('account.end')}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  )
}

import { Badge, Group } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { endSession, endSessions, listSessions } from '../../api/routes.ts'
import { WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Row } from '../../parts/rows.tsx'

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
  const list = useQuery(query(listSessions))
  const hasOthers = list.data?.items.some(({ isCurrent }) => !isCurrent) === true
  const others = hasOthers ? (
    <WorkButton size="compact-sm" variant="default" work={() => change(endSessions, { query: { keepCurrent: true } }, [listSessions])}>
      {t('account.endOthers')}
    </WorkButton>
  ) : undefined
  return (
    <Panel title={t('account.sessions')} actions={others} isFlush>
      <Loaded of={list} rows={2}>
        {({ items }) => (
          <ul className="rows">
            {items.map(({ id, isCurrent, address, userAgent, lastSeenAt }) => (
              <Row
                key={id}
                title={
                  <Group gap={8}>
                    <span title={userAgent}>{browserOf(userAgent)}</span>
                    {isCurrent && <Badge color="tide">{t('account.thisSession')}</Badge>}
                  </Group>
                }
                text={
                  <>
                    <span className="mono">{address}</span> · <RelativeTime at={lastSeenAt} />
                  </>
                }
              >
                {!isCurrent && (
                  <WorkButton
                    size="compact-sm"
                    variant="default"
                    work={() => change(endSession, { params: { session: id } }, [listSessions])}
                  >
                    {t('account.end')}
                  </WorkButton>
                )}
              </Row>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  )
}

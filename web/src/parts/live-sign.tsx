/** A quiet sign of whether the page follows what happens. */
import { Tooltip } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { LiveState } from '../api/live.ts'

export function LiveSign({ state }: { readonly state: LiveState }) {
  const { t } = useTranslation()
  return (
    <Tooltip label={state === 'on' ? t('live.onText') : t('live.off')}>
      <span className="live-sign" data-state={state}>
        <i aria-hidden />
        {state === 'on' ? t('live.on') : t('live.waiting')}
      </span>
    </Tooltip>
  )
}

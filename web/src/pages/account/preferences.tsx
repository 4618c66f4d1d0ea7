import { SegmentedControl, Select, Stack, Text, useMantineColorScheme } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { languages, speak, type Language } from '../../app/i18n.ts'
import { setTimeZone, timeZone } from '../../app/time-zone.ts'
import { ZoneField } from '../../parts/fields.tsx'
import { Panel } from '../../parts/layout.tsx'
import { exactText } from '../../parts/relative-time.tsx'

/** How one likes it; kept in this browser. */
export function Preferences() {
  const { t, i18n } = useTranslation()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const [zone, setZone] = useState(timeZone() ?? '')
  const take = (next: string) => {
    setTimeZone(next === '' ? undefined : next)
    setZone(next)
  }
  return (
    <Panel title={t('account.preferences')}>
      <Stack>
        <Select
          label={t('nav.language')}
          data={Object.entries(languages).map(([value, label]) => ({ value, label }))}
          value={i18n.language}
          onChange={(value) => value !== null && void speak(value as Language)}
        />
        <div>
          <Text size="sm" fw={500} mb={4} id="scheme-label">
            {t('nav.theme')}
          </Text>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-labelledby="scheme-label"
            data={(['light', 'dark', 'auto'] as const).map((value) => ({ value, label: t(`theme.${value}`) }))}
            value={colorScheme}
            onChange={setColorScheme}
          />
        </div>
        <ZoneField description={exactText(new Date().toISOString(), i18n.language)} hasOwn value={zone} onChange={take} />
      </Stack>
    </Panel>
  )
}

/**
 * The passwords of eight characters and more that are tried first.
 * Most are from the lists of zxcvbn (Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.; MIT licence).
 */

const text = `
  password password1 password12 password123 passw0rd p@ssw0rd pa$$w0rd letmein123 welcome123 admin123 administrator administrador
  changeit secret123 qwerty1234 docker123 registry harbor12345 admin1234 root1234 default1 test12345 guest123 iloveyou1 sunshine1
  princess1 12345678 123456789 baseball football qwertyuiop 1234567890 superman 1qaz2wsx jennifer trustno1 sunshine iloveyou computer
  michelle starwars princess 11111111 corvette 1234qwer internet samantha q1w2e3r4t5 maverick whatever mercedes steelers qwer1234
  hardcore q1w2e3r4 midnight bigdaddy victoria marlboro 1q2w3e4r cocacola jordan23 asdfasdf danielle 12344321 jonathan liverpoo
  qwerty123 abcd1234 slipknot scorpion startrek asdfghjkl redskins qazwsxedc liverpool nicholas dolphins qwertyui metallic mountain
  benjamin elephant rush2112 1q2w3e4r5t creative garfield asdfghjk 1qazxsw2 december airborne brooklyn godzilla 4815162342 williams
  darkness blink182 platinum 01012011 11223344 lifehack 12qwaszx snowball nintendo november pakistan redwings explorer guinness lasvegas
  789456123 asdf1234 babygirl michigan carolina alexande minecraft metallica kristina kimberly snickers paradise caroline lacrosse
  poohbear qweasdzxc einstein drowssap courtney spitfire patricia maryjane champion svetlana anderson westside security zaq12wsx
  alexander 123456789a 1232323q scarface qwerty12 marshall veronica stargate 12345qwert semperfi brittany scotland cherokee simpsons
  michael1 vladimir franklin infinity bulldogs 1234554321 budlight softball fktrcfylh kawasaki wildcats logitech swordfis alexandr
  motorola patriots colorado juventus freeuser warcraft wolverin elizabet valentin mitchell spiderma hello123 ncc1701d pearljam
  123qweasd predator charlie1 peekaboo rolltide american cardinal chevelle fyfcnfcbz 123654789 changeme electric darkside wolfpack
  hercules lawrence letmein1 741852963 spiderman blizzard 123456789q cheyenne cjkysirj basketball sterling a1b2c3d4 airplane freepass
  billybob chocolat stingray firebird zeppelin business tarheels greenday 01011980 engineer hellfire serenity fireball darkstar
  1029384756 mustang1 remember pavilion 01012000 bobafett dbrnjhbz harrison welcome1 swimming defender precious icecream swordfish
  presario rockstar airforce thailand bluebird goldfish wrangler cadillac longhorn qazwsx123 microsoft 123qweasdzxc atlantis lonewolf
  software srinivas angelina leonardo valentina veronika babydoll wordpass devildog soso123aljg freedom1 montreal wolfgang basketba
  31415926 birthday stephani jessica1 shamrock savannah kathleen deftones goldberg renegade cristina hamilton blahblah enterpri 1234abcd
  babylon5 sweetpea trfnthbyf yankees1 aardvark marathon cavalier manchester napoleon buckeyes 01011990 diamonds 1qaz2wsx3edc highland
  elizabeth chandler drpepper campbell 12345678910 sherlock thuglife morpheus consumer adgjmptw barcelona overlord isabella sundance
  isabelle ultimate ncc1701e matthew1 geronimo 123qwe123 aleksandr portugal superfly q1w2e3r4t5y6 florence wrinkle1 seminole alejandr
  11235813 concrete margaret access14 letmein2 trombone rhbcnbyf qazxswedc cdtnkfyf stallion kingkong mongoose personal bluemoon
  a1234567 immortal 123454321 anthony1 dietcoke giovanni morrison hollywoo 14789632 clifford fernando bonehead ghbdtnbr charlott
  hongkong william1 1123581321 sebastia werewolf lollipop eternity super123 cooldude tottenha anything columbia robinson makaveli
  verbatim standard blackcat raistlin qwerty12345 punkrock infantry 01012010 waterloo musicman seinfeld megadeth gn56gn56 skywalke
  squirrel wolverine stardust qazwsxed twilight vanhalen intrepid 1234567a punisher showtime ekaterina 111222333 skittles hannibal
  thunder1 1q2w3e4r5t6y chelsea1 panasonic sandiego portland penelope blackdog californ playtime 1a2b3c4d gangster warriors chargers
  dingdong mushroom crusader dkflbvbh anastasia stranger guardian slapshot septembe 147896325 angelica scarlett rammstein 123321123
  munchkin kittycat santiago barcelon coltrane goodluck starcraft blackman katerina shaney14 discover lonestar meridian heather1
  stonecol 192837465 lowrider 25802580 richard1 alexandra beautiful zaq1xsw2 tacobell halflife catalina keyboard kangaroo socrates
  thompson formula1 qwerasdf national mailcreated5240 lorraine vacation penguins ragnarok colombia sebastian dodgeram mustangs sithlord
  scoobydo oblivion titleist magnolia zxcv1234 director richmond blueeyes mersedes 12312312 springer patrick1 cowboys1 nuttertools
  martinez 1122334455 gateway1 imperial grateful peterpan kingston pa55word freckles margarita aspirine mariners deadhead research
  rootbeer children stephanie frederic scooter1 11112222 plymouth justdoit 1234567q lightnin caliente goodtime thankyou raiders1
  brucelee redalert aquarius catherin porkchop sapphire shopping qwert123 a1s2d3f4 qazwsxedcrfv fletcher blackjac hastings chevrole
  01012001 amsterdam spectrum diamond1 123456qwerty atlantic beatrice labrador southern syracuse front242 rosemary candyman commando
  pineappl 8j4ye3uz monopoly romashka 123456aa spartans snuggles charlotte infiniti 1234567890q cosworth jeremiah phoenix1 qawsedrf
  doberman brandon1 emmanuel webmaster porsche9 beefcake godsmack viktoria starbuck valhalla starfish clarence achilles ncc1701a
  arsenal1 sailboat jackson1 terminator phillies kentucky pa55w0rd frontier doughboy september nebraska qwertyuio maryland agent007
  oklahoma pinkfloy qwerty123456 dannyboy luckydog nathalie vfrcbvrf ihateyou vkontakte california golfball technics 01011991 15426378
  aberdeen enterprise hurrican rfnthbyf dthjybrf handsome excalibu brothers melissa1 lancelot keystone flamingo australia pokemon1
  designer kamikaze somethin warhammer bradford apollo13 macdaddy rangers1 manchest michaela meatball columbus truelove sentinel
  universe 123456789z jamesbon billyboy microsof microlab military gordon24 function 01011985 lifetime theodore 73501505 azsxdcfv
  charlton 01011970 bigmoney fordf150 superstar terminal saratoga wildfire vladislav gretchen hollywood greenbay trinidad poiuytrewq
  chicken1 321654987 01011981 maradona chester1 rjirfrgbde rightnow jasmine1 hyperion treasure meatloaf 01011986 catherine japanese
  anaconda woofwoof richards lionking happy123 albatros kenworth dinosaur happyday turkey50 chocolate ericsson chickens zxcasdqwe
  fktrcfylhf crazybab sherwood positive madeline anhyeuem hardrock skywalker february samsung1 applepie abc12345 gandalf1 hellyeah
  davidson skorpion hedgehog australi america1 1qa2ws3ed 13243546 yosemite karolina starship salvador greatone football1 78945612
  francois cinnamon backdoor packers1 rastaman sojdlg123aljg robotech alliance marianne 18436572 mechanic pingpong operator rasputin
  963852741 amsterda jeanette majestic wrestlin gotohell kingfish railroad zxcvbnm1 lineage2 charles1 phillips nwo4life peterson
  thursday a123456789 chemical kcj9wx5n umbrella r2d2c3po snoopdog splinter underdog broadway megapass kristine p0015123 shannon1
  bullseye blackhaw tunafish dkflbckfd 123789456 sinclair translator giuseppe saturday gfhjkm123 supersta magicman meredith caligula
  12131415 dfktynbyf tazmania crawford tommyboy marino13 vfhufhbnf brighton mamapapa budweise getmoney qazwsx12 chainsaw eastside
  01011989 undertaker downtown snowboar moneyman chrisbln viewsonic canadian flounder whitesox thanatos panasoni sneakers chicago1
  ghjcnjnfr titanium madison1 solution intruder gargoyle poseidon newcastl johannes buckshot sunnyday 01011988 goldstar ferrari1
  boomboom test1234 florida1 superman1 multiplelo motherlode westwood federico apple123 sunflowe babyblue 123qwerty starfire callaway
  paintbal lokomotiv winston1 rjycnfynby thirteen philippe avalanch newyork1 01011984 idontknow original vfvfgfgf tomorrow 01011987
  zerocool godfather 1x2zkg8w zxasqw12 francesc paintball syncmaster aleksandra 02071986 attitude southpark monalisa chuckles gladiator
  spongebob 03082006 meathead barefoot 12345678q cfitymrf blessing clevelan terrapin clarinet traveler pianoman hawkeyes casanova
  10203040 meowmeow andromeda crystal1 valencia triangle rhiannon monster1 01011910 resident cerberus rockford 1q2w3e4r5 goldwing
  juliette gabriell crjhgbjy james007 tiberius nokia6300 hayabusa 12345679 together salamander 12qw34er thegreat wrestling gesperrt
  whiskers mohammed rhfcjnrf montgom240 sersolution confused rebecca1 brewster spaceman bulldog1 something runescape 12345qwe lightning
  recovery 01011992 megatron illusion roadking 19411945 hoosiers 01091989 adrienne leavemealone 14725836 medicine realmadrid balloons
  tinkerbell heineken moonlight 02071982 12345678a mortgage fishing1 doghouse blackbir 135792468 seahawks godfathe bookworm talisman
  blackjack babyface hawaiian 01011975 mortimer 123456654321 roadrunn 01011993 handyman alphabet digital1 beautifu dutchess charlene
  tiffany1 idontkno teddybea valkyrie inuyasha wareagle dragonball dolphin1 sullivan gameover property kittykat stanford wishbone
  sinister 02021987 02011985 geoffrey dragon12 katherine gamecube 02081988 friendly gabriela matthews preacher 02041986 z1x2c3v4
  playstation 01011977 claymore checkers armagedon 02051986 aa123456 02091987 sporting silverad electron rhtdtlrj 12011987 02101985
  thunderb ghostrider blackout 02031986 02021988 123456qw bcfields laurence southpar 02061985 lipstick mandarin cannabis reynolds
  kleopatra baseball1 tottenham dirtbike 1234567890a jackson5 02011987
`

/** A thousand of them, in lower case. */
export const worstPasswords: ReadonlySet<string> = new Set(text.trim().split(/\s+/))
